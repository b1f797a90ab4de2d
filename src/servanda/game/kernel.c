/* What is a value function worth between its grid points, at compiled speed?
 *
 * In: rows (at each grid point the value and, where the scheme wants them, the slopes along each
 * stock; channels side by side, padded to a multiple of four), arrival points, and which points and
 * which value function each output reads. Out: the interpolated values, or the cotangents of rows
 * and points. The formulas are those of interpolate.py.
 *
 * Compiled on first use by kernel.py, once per number of stocks (-DSTOCKS=K), against the C header
 * that jaxlib ships. Single threaded: the caller's worlds are the parallel axis.
 *
 * Nodes are taken LANES at a time. First the place of each in the grid (cell, fractions, corners,
 * weights) is worked out with the lanes side by side; then, node by node, the corners' rows are
 * summed, four channels to a vector.
 */

#include <stdint.h>
#include <string.h>

#include "xla/ffi/api/c_api.h"

#define K STOCKS
#define ROOM (STOCKS > 0 ? STOCKS : 1) /* C has no empty arrays */
#define BOX (1 << STOCKS)
#define LANES 8
#define INLINE static inline __attribute__((always_inline))

typedef double vec __attribute__((vector_size(32), aligned(8), may_alias));

/* The codes that kernel.py passes. */
enum scheme { MULTILINEAR, SIMPLEX, HALF_GRADIENT };

struct job {
  int64_t blocks, grid, channels, tables, moves, nodes, coordinates, regimes;
  int64_t padded;     /* channels, rounded up to a multiple of four */
  int64_t width;      /* doubles in a row: padded, or padded * (1 + K) with slopes */
  int64_t axis[ROOM]; /* the stocks with two levels or more: their place among the coordinates */
  int64_t top[ROOM];  /* the last cell's lower corner: levels - 2 */
  int64_t step[ROOM]; /* step in the flat grid index, times width */
  const int32_t *table, *pattern;
  const double *points, *rows;
  double *out;             /* forward */
  const double *cotangent; /* backward */
  double *d_points, *d_rows;
};

/* Where LANES nodes lie: lower corner (offset into the rows) and fraction along each stock. */
struct cell {
  int64_t base[LANES];
  double fraction[ROOM][LANES];
};

/* The corners of the Kuhn simplices: offsets, weights, and what multiplies each slope. */
struct simplex {
  int64_t corner[K + 1][LANES];
  int64_t walk[ROOM][LANES]; /* the step from corner i to i + 1 */
  double weight[K + 1][LANES];
  double lever[K + 1][ROOM][LANES]; /* half the offset x - x_i */
};

/* The corners of the boxes: bit k of a corner's number says whether it is the upper one along k. */
struct box {
  int64_t offset[BOX];
  double weight[BOX][LANES];
};

INLINE void locate(const struct job *j, const double *points, int64_t count, struct cell *cell) {
  for (int n = 0; n < LANES; n++) cell->base[n] = 0;
  for (int k = 0; k < K; k++) {
    double x[LANES];
    for (int n = 0; n < LANES; n++)
      x[n] = points[(n < count ? n : count - 1) * j->coordinates + j->axis[k]];
    const double top = (double)j->top[k];
    for (int n = 0; n < LANES; n++) {
      /* Written so that NaN falls into cell 0: the result is NaN, the memory stays ours. */
      double low = x[n] > 0.0 ? x[n] : 0.0;
      low = low < top ? low : top;
      const int64_t whole = (int64_t)low;
      cell->fraction[k][n] = x[n] - (double)whole;
      cell->base[n] += whole * j->step[k];
    }
  }
}

/* Sort the fractions downwards (an insertion network, ties as in the reference) and walk from the
 * lower corner along the stocks in that order. */
INLINE void triangulate(const int slopes, const struct job *j, const struct cell *cell,
                        struct simplex *s) {
  double f[ROOM][LANES];
  for (int k = 0; k < K; k++)
    for (int n = 0; n < LANES; n++) {
      f[k][n] = cell->fraction[k][n];
      s->walk[k][n] = j->step[k];
    }
  for (int end = K - 1; end > 0; end--)
    for (int i = 0; i < end; i++)
      for (int n = 0; n < LANES; n++) {
        const double a = f[i][n], b = f[i + 1][n];
        const int64_t p = s->walk[i][n], q = s->walk[i + 1][n];
        f[i][n] = a < b ? b : a;
        f[i + 1][n] = a < b ? a : b;
        s->walk[i][n] = a < b ? q : p;
        s->walk[i + 1][n] = a < b ? p : q;
      }
  for (int n = 0; n < LANES; n++) {
    s->corner[0][n] = cell->base[n];
    s->weight[0][n] = K > 0 ? 1.0 - f[0][n] : 1.0;
  }
  for (int i = 0; i < K; i++)
    for (int n = 0; n < LANES; n++) {
      s->corner[i + 1][n] = s->corner[i][n] + s->walk[i][n];
      s->weight[i + 1][n] = i + 1 < K ? f[i][n] - f[i + 1][n] : f[i][n];
    }
  if (!slopes) return;
  for (int k = 0; k < K; k++) {
    double lever[LANES];
    for (int n = 0; n < LANES; n++) s->lever[0][k][n] = lever[n] = 0.5 * cell->fraction[k][n];
    for (int i = 0; i < K; i++)
      for (int n = 0; n < LANES; n++) {
        /* A step names its stock: steps differ from stock to stock. */
        lever[n] -= s->walk[i][n] == j->step[k] ? 0.5 : 0.0;
        s->lever[i + 1][k][n] = lever[n];
      }
  }
}

INLINE void enclose(const struct job *j, const struct cell *cell, struct box *box) {
  box->offset[0] = 0;
  for (int n = 0; n < LANES; n++) box->weight[0][n] = 1.0;
  for (int k = 0; k < K; k++)
    for (int b = 0; b < 1 << k; b++) {
      box->offset[b | 1 << k] = box->offset[b] + j->step[k];
      for (int n = 0; n < LANES; n++) {
        const double f = cell->fraction[k][n], w = box->weight[b][n];
        box->weight[b | 1 << k][n] = w * f;
        box->weight[b][n] = w * (1.0 - f);
      }
    }
}

INLINE vec load(const double *p) { return *(const vec *)p; }
INLINE void add(double *p, vec x) { *(vec *)p += x; }
INLINE double dot(vec a, vec b) {
  const vec c = a * b;
  return (c[0] + c[1]) + (c[2] + c[3]);
}

/* Write LANES vectors of four channels where the channel is slow and the node fast. */
INLINE void spread(const struct job *j, double value[LANES][4], double *out, int64_t first,
                   int64_t count) {
  const int64_t stride = j->moves * j->nodes;
  for (int64_t c = 0; c < 4 && first + c < j->channels; c++) {
    double *line = out + (first + c) * stride;
    if (count == LANES)
      for (int n = 0; n < LANES; n++) line[n] = value[n][c];
    else
      for (int64_t n = 0; n < count; n++) line[n] = value[n][c];
  }
}

INLINE void collect(const struct job *j, double value[LANES][4], const double *from, int64_t first,
                    int64_t count) {
  const int64_t stride = j->moves * j->nodes;
  memset(value, 0, sizeof(double) * LANES * 4);
  for (int64_t c = 0; c < 4 && first + c < j->channels; c++) {
    const double *line = from + (first + c) * stride;
    for (int64_t n = 0; n < count; n++) value[n][c] = line[n];
  }
}

INLINE void simplex_forward(const int slopes, const struct job *j, const struct simplex *s,
                            const double *rows, double *out, int64_t count) {
  for (int64_t c = 0; c < j->padded; c += 4) {
    double value[LANES][4];
    for (int n = 0; n < LANES; n++) {
      vec total = {0.0, 0.0, 0.0, 0.0};
      for (int i = 0; i <= K; i++) {
        const double *row = rows + c + s->corner[i][n];
        vec height = load(row);
        if (slopes)
          for (int k = 0; k < K; k++)
            height += s->lever[i][k][n] * load(row + (k + 1) * j->padded);
        total += s->weight[i][n] * height;
      }
      *(vec *)value[n] = total;
    }
    spread(j, value, out, c, count);
  }
}

INLINE void simplex_backward(const int slopes, const struct job *j, const struct simplex *s,
                             const double *rows, double *d_rows, const double *cotangent,
                             double *d_points, int64_t count) {
  for (int64_t c = 0; c < j->padded; c += 4) {
    double given[LANES][4];
    collect(j, given, cotangent, c, count);
    for (int n = 0; n < count; n++) {
      const vec ct = load(given[n]);
      vec by_stock[ROOM] = {{0.0, 0.0, 0.0, 0.0}}, before = ct;
      double along[ROOM];
      for (int i = 0; i <= K; i++) {
        const double *row = rows + c + s->corner[i][n];
        double *d_row = d_rows + c + s->corner[i][n];
        vec height = load(row);
        const vec share = s->weight[i][n] * ct;
        add(d_row, share);
        if (slopes)
          for (int k = 0; k < K; k++) {
            const vec slope = load(row + (k + 1) * j->padded);
            height += s->lever[i][k][n] * slope;
            by_stock[k] += s->weight[i][n] * slope;
            add(d_row + (k + 1) * j->padded, s->lever[i][k][n] * share);
          }
        if (i > 0) along[i - 1] = dot(height - before, ct);
        before = height;
      }
      /* A growing fraction moves weight from the corner before its step to the one after. */
      for (int k = 0; k < K; k++) {
        double total = slopes ? 0.5 * dot(by_stock[k], ct) : 0.0;
        for (int i = 0; i < K; i++) total += s->walk[i][n] == j->step[k] ? along[i] : 0.0;
        d_points[n * j->coordinates + j->axis[k]] += total;
      }
    }
  }
}

INLINE void box_forward(const struct job *j, const struct cell *cell, const struct box *box,
                        const double *rows, double *out, int64_t count) {
  for (int64_t c = 0; c < j->padded; c += 4) {
    double value[LANES][4];
    for (int n = 0; n < LANES; n++) {
      const double *row = rows + c + cell->base[n];
      vec total = {0.0, 0.0, 0.0, 0.0};
      for (int b = 0; b < BOX; b++) total += box->weight[b][n] * load(row + box->offset[b]);
      *(vec *)value[n] = total;
    }
    spread(j, value, out, c, count);
  }
}

INLINE void box_backward(const struct job *j, const struct cell *cell, const struct box *box,
                         const double *rows, double *d_rows, const double *cotangent,
                         double *d_points, int64_t count) {
  for (int64_t c = 0; c < j->padded; c += 4) {
    double given[LANES][4];
    collect(j, given, cotangent, c, count);
    for (int n = 0; n < count; n++) {
      const double *row = rows + c + cell->base[n];
      double *d_row = d_rows + c + cell->base[n];
      const vec ct = load(given[n]);
      for (int b = 0; b < BOX; b++) add(d_row + box->offset[b], box->weight[b][n] * ct);
      for (int k = 0; k < K; k++) {
        vec slope = {0.0, 0.0, 0.0, 0.0};
        for (int b = 0; b < BOX; b++) {
          if (b >> k & 1) continue;
          /* The weights of an edge's two ends sum to the weight of the edge. */
          const int up = b | 1 << k;
          slope += (box->weight[b][n] + box->weight[up][n]) *
                   (load(row + box->offset[up]) - load(row + box->offset[b]));
        }
        d_points[n * j->coordinates + j->axis[k]] += dot(slope, ct);
      }
    }
  }
}

/* One pass over all tables, moves and nodes; regimes that read the same table share its cells. */
INLINE void sweep(const enum scheme scheme, const int backward, const struct job *j) {
  const int slopes = scheme == HALF_GRADIENT;
  for (int64_t u = 0; u < j->tables; u++)
    for (int64_t a = 0; a < j->moves; a++)
      for (int64_t first = 0; first < j->nodes; first += LANES) {
        const int64_t count = j->nodes - first < LANES ? j->nodes - first : LANES;
        const int64_t place = ((u * j->moves + a) * j->nodes + first) * j->coordinates;
        struct cell cell;
        struct simplex simplex;
        struct box box;
        locate(j, j->points + place, count, &cell);
        if (scheme == MULTILINEAR)
          enclose(j, &cell, &box);
        else
          triangulate(slopes, j, &cell, &simplex);
        for (int64_t r = 0; r < j->regimes; r++) {
          if (j->table[r] != u) continue;
          const int64_t block = j->pattern[r * j->moves + a] * j->grid * j->width;
          const int64_t line = (r * j->channels * j->moves + a) * j->nodes + first;
          const double *rows = j->rows + block;
          if (scheme == MULTILINEAR && !backward)
            box_forward(j, &cell, &box, rows, j->out + line, count);
          else if (scheme == MULTILINEAR)
            box_backward(j, &cell, &box, rows, j->d_rows + block, j->cotangent + line,
                         j->d_points + place, count);
          else if (!backward)
            simplex_forward(slopes, j, &simplex, rows, j->out + line, count);
          else
            simplex_backward(slopes, j, &simplex, rows, j->d_rows + block, j->cotangent + line,
                             j->d_points + place, count);
        }
      }
}

/* ---- the border with XLA ---- */

static XLA_FFI_Error *refuse(const XLA_FFI_CallFrame *frame, const char *message) {
  XLA_FFI_Error_Create_Args args;
  memset(&args, 0, sizeof args);
  args.struct_size = XLA_FFI_Error_Create_Args_STRUCT_SIZE;
  args.message = message;
  args.errc = XLA_FFI_Error_Code_INVALID_ARGUMENT;
  return frame->api->XLA_FFI_Error_Create(&args);
}

/* XLA asks each handler which version of the interface it was compiled for. */
static int answers_metadata(const XLA_FFI_CallFrame *frame) {
  XLA_FFI_Extension_Base *extension = frame->extension_start;
  if (extension == NULL || extension->type != XLA_FFI_Extension_Metadata) return 0;
  XLA_FFI_Metadata *metadata = ((XLA_FFI_Metadata_Extension *)extension)->metadata;
  metadata->api_version.major_version = XLA_FFI_API_MAJOR;
  metadata->api_version.minor_version = XLA_FFI_API_MINOR;
  metadata->traits = 0;
  return 1;
}

static const void *attribute(const XLA_FFI_CallFrame *frame, const char *name) {
  for (int64_t i = 0; i < frame->attrs.size; i++) {
    const XLA_FFI_ByteSpan *given = frame->attrs.names[i];
    if (given->len == strlen(name) && memcmp(given->ptr, name, given->len) == 0)
      return frame->attrs.attrs[i];
  }
  return NULL;
}

static const XLA_FFI_Buffer *argument(const XLA_FFI_CallFrame *frame, int i) {
  return (const XLA_FFI_Buffer *)frame->args.args[i];
}
static const XLA_FFI_Buffer *result(const XLA_FFI_CallFrame *frame, int i) {
  return (const XLA_FFI_Buffer *)frame->rets.rets[i];
}
static int is(const XLA_FFI_Buffer *buffer, XLA_FFI_DataType dtype, int64_t rank) {
  return buffer->dtype == dtype && buffer->rank == rank;
}

/* Arguments: rows [P, G, S, padded], points [U, A, N, coordinates], table [R], pattern [R, A] and,
 * backward, the cotangent [R, C, A, N]. Attributes: levels, scheme, channels. */
static XLA_FFI_Error *read_job(const XLA_FFI_CallFrame *frame, int backward, struct job *j,
                               enum scheme *scheme) {
  if (frame->args.size != 4 + backward || frame->rets.size != 1 + backward)
    return refuse(frame, "interpolation kernel: wrong number of buffers");
  const XLA_FFI_Array *levels = attribute(frame, "levels");
  const XLA_FFI_Scalar *code = attribute(frame, "scheme"), *channels = attribute(frame, "channels");
  if (!levels || !code || !channels || levels->dtype != XLA_FFI_DataType_S64 ||
      code->dtype != XLA_FFI_DataType_S64 || channels->dtype != XLA_FFI_DataType_S64)
    return refuse(frame, "interpolation kernel: levels, scheme or channels missing");
  const XLA_FFI_Buffer *rows = argument(frame, 0), *points = argument(frame, 1);
  const XLA_FFI_Buffer *table = argument(frame, 2), *pattern = argument(frame, 3);
  if (!is(rows, XLA_FFI_DataType_F64, 4) || !is(points, XLA_FFI_DataType_F64, 4) ||
      !is(table, XLA_FFI_DataType_S32, 1) || !is(pattern, XLA_FFI_DataType_S32, 2))
    return refuse(frame, "interpolation kernel: rows and points are f64, indices i32");
  memset(j, 0, sizeof *j);
  *scheme = (enum scheme) * (const int64_t *)code->value;
  j->channels = *(const int64_t *)channels->value;
  j->blocks = rows->dims[0], j->grid = rows->dims[1], j->padded = rows->dims[3];
  j->width = rows->dims[2] * j->padded;
  j->tables = points->dims[0], j->moves = points->dims[1], j->nodes = points->dims[2];
  j->coordinates = points->dims[3], j->regimes = table->dims[0];
  int64_t stride = 1;
  int stocks = 0;
  for (int64_t k = j->coordinates; k-- > 0 && k < (int64_t)levels->size;) {
    const int64_t count = ((const int64_t *)levels->data)[k];
    if (count > 1) {
      if (++stocks > K) break;
      j->axis[K - stocks] = k, j->top[K - stocks] = count - 2;
      j->step[K - stocks] = stride * j->width;
    }
    stride *= count;
  }
  if (stocks != K || stride != j->grid || (int64_t)levels->size != j->coordinates ||
      j->padded % 4 || j->channels > j->padded || *scheme > HALF_GRADIENT ||
      rows->dims[2] != (*scheme == HALF_GRADIENT ? 1 + K : 1))
    return refuse(frame, "interpolation kernel: sizes do not fit the grid");
  j->rows = rows->data, j->points = points->data;
  j->table = table->data, j->pattern = pattern->data;
  for (int64_t r = 0; r < j->regimes; r++) {
    if (j->table[r] < 0 || j->table[r] >= j->tables)
      return refuse(frame, "interpolation kernel: a row reads a table that is not there");
    for (int64_t a = 0; a < j->moves; a++)
      if (j->pattern[r * j->moves + a] < 0 || j->pattern[r * j->moves + a] >= j->blocks)
        return refuse(frame, "interpolation kernel: a row reads values that are not there");
  }
  return NULL;
}

/* Scheme and direction are constants inside `sweep`, so that every inner loop is unrolled. */
XLA_FFI_Error *servanda_forward(XLA_FFI_CallFrame *frame) {
  if (answers_metadata(frame)) return NULL;
  struct job j;
  enum scheme scheme;
  XLA_FFI_Error *error = read_job(frame, 0, &j, &scheme);
  if (error) return error;
  j.out = result(frame, 0)->data;
  if (scheme == MULTILINEAR) sweep(MULTILINEAR, 0, &j);
  if (scheme == SIMPLEX) sweep(SIMPLEX, 0, &j);
  if (scheme == HALF_GRADIENT) sweep(HALF_GRADIENT, 0, &j);
  return NULL;
}

XLA_FFI_Error *servanda_backward(XLA_FFI_CallFrame *frame) {
  if (answers_metadata(frame)) return NULL;
  struct job j;
  enum scheme scheme;
  XLA_FFI_Error *error = read_job(frame, 1, &j, &scheme);
  if (error) return error;
  j.cotangent = argument(frame, 4)->data;
  j.d_rows = result(frame, 0)->data, j.d_points = result(frame, 1)->data;
  memset(j.d_rows, 0, sizeof(double) * (size_t)(j.blocks * j.grid * j.width));
  memset(j.d_points, 0,
         sizeof(double) * (size_t)(j.tables * j.moves * j.nodes * j.coordinates));
  if (scheme == MULTILINEAR) sweep(MULTILINEAR, 1, &j);
  if (scheme == SIMPLEX) sweep(SIMPLEX, 1, &j);
  if (scheme == HALF_GRADIENT) sweep(HALF_GRADIENT, 1, &j);
  return NULL;
}
