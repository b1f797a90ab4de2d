/* What is a value function worth between its grid points, at compiled speed?
 *
 * In: values on a grid, arrival points, and which points and which value function each output
 * reads. Out: the interpolated values, or the cotangents of values and points. The formulas are
 * those of interpolate.py. Compiled on first use by native.py, once per number of stocks
 * (-DSTOCKS=K), against the C header that jaxlib ships. Single threaded: the caller's worlds are
 * the parallel axis.
 *
 * Values are first laid out in rows: at each grid point, for every four channels, the values and,
 * where the scheme wants them, their slopes along each stock. Nodes are then taken LANES at a time:
 * the place of each in the grid (cell, fractions, corners, weights) is worked out with the lanes
 * side by side, and the corners' rows are summed node by node, four channels to a vector.
 */

#include "kernel.h"

INLINE void read_points(const struct job *j, const double *points, int64_t count,
                        lanes point[ROOM]) {
  UNROLL for (int k = 0; k < K; k++)
    UNROLL for (int n = 0; n < LANES; n++)
      point[k][n] = points[(n < count ? n : 0) * j->stride + j->axis[k]];
}

/* Write four nodes' vectors of four channels where the channel is slow and the node fast. */
INLINE void spread(const struct job *j, vec value[4], double *out, int64_t first, int64_t count) {
  const int64_t stride = j->moves * j->nodes;
  const int64_t channels = j->channels - first < 4 ? j->channels - first : 4;
  transpose(value);
  out += first * stride;
  for (int64_t c = 0; c < channels; c++, out += stride)
    if (count >= 4)
      *(vec *)out = value[c];
    else
      for (int64_t n = 0; n < count; n++) out[n] = value[c][n];
}

/* The inverse of spread; nodes and channels that are not there read as zero. */
INLINE void collect(const struct job *j, vec value[4], const double *from, int64_t first,
                    int64_t count) {
  const int64_t stride = j->moves * j->nodes;
  const int64_t channels = j->channels - first < 4 ? j->channels - first : 4;
  from += first * stride;
  for (int64_t c = 0; c < 4; c++, from += stride) {
    value[c] = (vec){0.0, 0.0, 0.0, 0.0};
    if (c >= channels) continue;
    if (count >= 4)
      value[c] = load(from);
    else
      for (int64_t n = 0; n < count; n++) value[c][n] = from[n];
  }
  transpose(value);
}

INLINE void simplex_backward(const int slopes, const struct job *j, const struct simplex *s,
                             const double *rows, double *d_rows, vec ct, double *d_point, int n) {
  vec by_step[ROOM], before = ct;
  double along[ROOM];
  UNROLL for (int i = 0; i < K; i++) by_step[i] = (vec){0.0, 0.0, 0.0, 0.0};
  UNROLL for (int i = 0; i <= K; i++) {
    const double *row = rows + s->corner[i][n];
    double *d_row = d_rows + s->corner[i][n];
    vec height = load(row);
    const vec share = s->weight[i][n] * ct;
    add(d_row, share);
    if (slopes)
      UNROLL for (int at = 0; at < K; at++) {
        const int64_t column = (s->stock[at][n] + 1) * 4;
        const vec slope = load(row + column);
        height += lever(s, i, at, n) * slope;
        by_step[at] += s->weight[i][n] * slope;
        add(d_row + column, lever(s, i, at, n) * share);
      }
    if (i > 0) along[i - 1] = dot(height - before, ct);
    before = height;
  }
  /* A growing fraction moves weight from the corner before its step to the one after. */
  UNROLL for (int i = 0; i < K; i++)
    d_point[j->axis[s->stock[i][n]]] += along[i] + (slopes ? 0.5 * dot(by_step[i], ct) : 0.0);
}

INLINE void box_backward(const struct job *j, const struct box *box, const double *rows,
                         double *d_rows, vec ct, double *d_point, int n) {
  for (int b = 0; b < BOX; b++) add(d_rows + box->offset[b], box->weight[b][n] * ct);
  for (int k = 0; k < K; k++) {
    vec slope = {0.0, 0.0, 0.0, 0.0};
    for (int b = 0; b < BOX; b++) {
      if (b >> k & 1) continue;
      /* The weights of an edge's two ends sum to the weight of the edge. */
      const int up = b | 1 << k;
      slope += (box->weight[b][n] + box->weight[up][n]) *
               (load(rows + box->offset[up]) - load(rows + box->offset[b]));
    }
    d_point[j->axis[k]] += dot(slope, ct);
  }
}

/* Value functions read at the same nodes, and where their values go. */
struct units {
  int some;
  const double *rows[TOGETHER];
  double *to[TOGETHER];
  int64_t channel[TOGETHER];
};

INLINE void flush(const enum scheme scheme, const struct job *j, const struct term *t,
                  struct units *u, int64_t count) {
  vec value[TOGETHER][LANES];
  add_up_some(scheme, u->some, t, CORNERS, u->rows, value);
  for (int q = 0; q < u->some; q++) spread(j, value[q], u->to[q], u->channel[q], count);
  u->some = 0;
}

/* Values at one place, for all regimes that read its table. */
INLINE void forward(const enum scheme scheme, const struct job *j, int64_t table, int64_t a,
                    int64_t first, int64_t count, const lanes point[ROOM]) {
  const int64_t four = scheme >= QUADRATIC ? 4 * (1 + K) : 4;
  struct term terms[CORNERS];
  struct units units = {.some = 0};
  weigh(scheme, j, point, terms);
  for (int64_t r = 0; r < j->regimes; r++) {
    if (j->table[r] != table) continue;
    const double *rows = j->rows + j->pattern[r * j->moves + a] * j->grid * j->width;
    for (int64_t c = 0; c < j->channels; c += 4, rows += four) {
      units.rows[units.some] = rows, units.channel[units.some] = c;
      units.to[units.some++] = j->out + (r * j->channels * j->moves + a) * j->nodes + first;
      if (units.some == TOGETHER) flush(scheme, j, terms, &units, count);
    }
  }
  if (units.some) flush(scheme, j, terms, &units, count);
}

/* Cotangents at one place, from all regimes that read its table. */
INLINE void backward(const enum scheme scheme, const struct job *j, int64_t table, int64_t a,
                     int64_t first, int64_t count, const lanes point[ROOM]) {
  const int slopes = scheme >= QUADRATIC;
  const int64_t four = slopes ? 4 * (1 + K) : 4;
  const int64_t place = (table * j->moves + a) * j->nodes * j->coordinates + first * j->stride;
  struct cell cell;
  struct simplex simplex;
  struct box box;
  locate(j, point, &cell);
  if (scheme == MULTILINEAR)
    enclose(j, &cell, &box);
  else
    triangulate(j, &cell, &simplex);
  for (int64_t r = 0; r < j->regimes; r++) {
    if (j->table[r] != table) continue;
    int64_t block = j->pattern[r * j->moves + a] * j->grid * j->width;
    const int64_t line = (r * j->channels * j->moves + a) * j->nodes + first;
    for (int64_t c = 0; c < j->channels; c += 4, block += four) {
      const double *rows = j->rows + block;
      double *d_rows = j->d_rows + block;
      vec value[LANES];
      collect(j, value, j->cotangent + line, c, count);
      for (int n = 0; n < count; n++) {
        double *d_point = j->d_points + place + n * j->stride;
        if (scheme == MULTILINEAR)
          box_backward(j, &box, rows + cell.base[n], d_rows + cell.base[n], value[n], d_point, n);
        else
          simplex_backward(slopes, j, &simplex, rows, d_rows, value[n], d_point, n);
      }
    }
  }
}

/* Values where every row has one node: its moves side by side, each with its own value function. */
INLINE void forward_moves(const enum scheme scheme, const struct job *j) {
  const int64_t four = scheme >= QUADRATIC ? 4 * (1 + K) : 4;
  for (int64_t r = 0; r < j->regimes; r++) {
    if (j->table[r] < 0) continue;
    for (int64_t a = 0; a < j->moves; a += LANES) {
      const int64_t count = j->moves - a < LANES ? j->moves - a : LANES;
      const double *points = j->points + (j->table[r] * j->moves + a) * j->coordinates;
      const int32_t *pattern = j->pattern + r * j->moves + a;
      lanes point[ROOM];
      UNROLL for (int k = 0; k < K; k++)
        UNROLL for (int n = 0; n < LANES; n++)
          point[k][n] = points[(n < count ? n : 0) * j->coordinates + j->axis[k]];
      struct term terms[CORNERS];
      weigh(scheme, j, point, terms);
      for (int n = 0; n < LANES; n++) {
        const int64_t block = pattern[n < count ? n : 0] * j->grid * j->width;
        for (int i = 0; i < CORNERS; i++) terms[i].place[n] += block;
      }
      const double *rows = j->rows;
      for (int64_t c = 0; c < j->channels; c += 4, rows += four) {
        const double *const one[TOGETHER] = {rows};
        vec value[TOGETHER][LANES];
        add_up(scheme, 1, terms, CORNERS, one, value);
        spread(j, value[0], j->out + r * j->channels * j->moves + a, c, count);
      }
    }
  }
}

/* One pass over all tables, moves and nodes. */
INLINE void sweep(const enum scheme scheme, const int back, const struct job *j) {
  for (int64_t u = 0; u < j->tables; u++)
    for (int64_t a = 0; a < j->moves; a++)
      for (int64_t first = 0; first < j->nodes; first += LANES) {
        const int64_t count = j->nodes - first < LANES ? j->nodes - first : LANES;
        const int64_t place = (u * j->moves + a) * j->nodes * j->coordinates + first * j->stride;
        lanes point[ROOM];
        read_points(j, j->points + place, count, point);
        if (back)
          backward(scheme, j, u, a, first, count, point);
        else
          forward(scheme, j, u, a, first, count, point);
      }
}

/* ---- the border with XLA ---- */

/* Arguments: values [P, G, C], points [U, A, N, coordinates], table [R], pattern [R, A] and,
 * backward, the cotangent [R, C, A, N]; see read_grid for the attributes. Results: the values, or the
 * cotangents of values and points; then the rows, and backward their cotangents: scratch that XLA
 * lends, [P, G, width], empty where the values can be read in place. */
static XLA_FFI_Error *read_job(const XLA_FFI_CallFrame *frame, int backward, struct job *j,
                               enum scheme *scheme) {
  if (frame->args.size != 4 + backward || frame->rets.size != 2 + 2 * backward)
    return refuse(frame, "interpolation kernel: wrong number of buffers");
  XLA_FFI_Error *error = read_grid(frame, result(frame, backward ? 2 : 1), j, scheme);
  if (error) return error;
  if (j->draws > 1) return refuse(frame, "interpolation kernel: draws need patterns of their own");
  if (!backward) {
    j->out = result(frame, 0)->data;
    return NULL;
  }
  j->cotangent = argument(frame, 4)->data;
  j->d_values = result(frame, 0)->data, j->d_points = result(frame, 1)->data;
  j->d_rows = j->rows == j->values ? j->d_values : result(frame, 3)->data;
  memset(j->d_rows, 0, sizeof(double) * (size_t)(j->blocks * j->grid * j->width));
  memset(j->d_points, 0,
         sizeof(double) * (size_t)(j->tables * j->moves * j->nodes * j->coordinates));
  return NULL;
}

/* The direction is a constant inside `sweep`, as the scheme is: every inner loop is unrolled. */
XLA_FFI_Error *servanda_forward(XLA_FFI_CallFrame *frame) {
  if (answers_metadata(frame)) return NULL;
  struct job j;
  enum scheme scheme;
  XLA_FFI_Error *error = read_job(frame, 0, &j, &scheme);
  if (error) return error;
  fill_rows(scheme, &j);
  if (j.nodes == 1)
    forward_moves(SCHEME, &j);
  else
    sweep(SCHEME, 0, &j);
  return NULL;
}

XLA_FFI_Error *servanda_backward(XLA_FFI_CallFrame *frame) {
  if (answers_metadata(frame)) return NULL;
  struct job j;
  enum scheme scheme;
  XLA_FFI_Error *error = read_job(frame, 1, &j, &scheme);
  if (error) return error;
  fill_rows(scheme, &j);
  sweep(SCHEME, 1, &j);
  drain_rows(scheme, &j);
  return NULL;
}
