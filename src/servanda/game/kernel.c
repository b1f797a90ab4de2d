/* What is a value function worth between its grid points, at compiled speed?
 *
 * In: values on a grid, arrival points, and which points and which value function each output
 * reads. Out: the interpolated values, or the cotangents of values and points. The formulas are
 * those of interpolate.py. Compiled on first use by kernel.py, once per number of stocks
 * (-DSTOCKS=K), against the C header that jaxlib ships. Single threaded: the caller's worlds are
 * the parallel axis.
 *
 * Values are first laid out in rows: at each grid point, for every four channels, the values and,
 * where the scheme wants them, their slopes along each stock. Nodes are then taken LANES at a time:
 * the place of each in the grid (cell, fractions, corners, weights) is worked out with the lanes
 * side by side, and the corners' rows are summed node by node, four channels to a vector.
 */

#include <stdint.h>
#include <string.h>

#include "xla/ffi/api/c_api.h"

#define K STOCKS
#define ROOM (STOCKS > 0 ? STOCKS : 1) /* C has no empty arrays */
#define BOX (1 << STOCKS)
#define LANES 4
#define UNROLL _Pragma("GCC unroll 8")
#define INLINE static inline __attribute__((always_inline))

typedef double vec __attribute__((vector_size(32), aligned(8), may_alias));
typedef int64_t ints __attribute__((vector_size(32), aligned(8), may_alias));

/* The order of interpolate.SCHEMES. */
enum scheme { MULTILINEAR, SIMPLEX, QUADRATIC, LIMITED };

struct job {
  int64_t blocks, grid, channels, tables, moves, nodes, coordinates, regimes;
  int64_t width;      /* doubles in a row: channels, rounded up to fours, times 1 or 1 + K */
  int64_t axis[ROOM]; /* the stocks with two levels or more: their place among the coordinates */
  int64_t levels[ROOM];
  int64_t step[ROOM]; /* step in the flat grid index, times width */
  const int32_t *table, *pattern;
  const double *values, *points, *rows;
  double *out;             /* forward */
  const double *cotangent; /* backward */
  double *d_values, *d_points, *d_rows;
};

/* Where LANES nodes lie: lower corner (offset into the rows) and fraction along each stock. */
struct cell {
  ints base;
  vec fraction[ROOM];
};

/* The corners of the Kuhn simplices: offsets, weights, and what multiplies each slope. */
struct simplex {
  ints corner[K + 1];
  ints stock[ROOM]; /* the one that steps up between corners i and i + 1 */
  vec weight[K + 1];
  vec lever[K + 1][ROOM]; /* half the offset x - x_i */
};

/* The corners of the boxes: bit k of a corner's number says whether it is the upper one along k. */
struct box {
  int64_t offset[BOX];
  vec weight[BOX];
};

INLINE vec load(const double *p) { return *(const vec *)p; }
INLINE void add(double *p, vec x) { *(vec *)p += x; }
INLINE double dot(vec a, vec b) {
  const vec c = a * b;
  return (c[0] + c[1]) + (c[2] + c[3]);
}

INLINE void locate(const struct job *j, const double *points, int64_t count, struct cell *cell) {
  /* A double from 2^52 to 2^53 is a whole number, and its low bits are that number: rounding and
   * conversion without instructions that older processors lack. */
  const vec zero = {0.0, 0.0, 0.0, 0.0}, one = zero + 1.0, whole = zero + 0x1p52;
  vec base = zero;
  UNROLL for (int k = 0; k < K; k++) {
    const vec top = zero + (double)(j->levels[k] - 2);
    vec x;
    UNROLL for (int n = 0; n < LANES; n++)
      x[n] = points[(n < count ? n : 0) * j->coordinates + j->axis[k]];
    /* Written so that NaN falls into cell 0: the result is NaN, the memory stays ours. */
    vec inside = (vec)((ints)x & (x > zero));
    const ints keep = inside < top;
    inside = (vec)(((ints)inside & keep) | ((ints)top & ~keep));
    vec low = (inside + whole) - whole;
    low -= (vec)((ints)one & (low > inside));
    cell->fraction[k] = x - low;
    base += low * (double)j->step[k];
  }
  cell->base = (ints)(base + whole) ^ (ints)whole;
}

/* Sort the fractions downwards and walk from the lower corner along the stocks in that order.
 * The sort is an insertion network on integers: the bits of 1 + fraction order like the number,
 * and its last three make room for the stock (2^-49 of a level; the first stock wins a tie). */
INLINE void triangulate(const int slopes, const struct job *j, const struct cell *cell,
                        struct simplex *s) {
  ints key[ROOM];
  vec f[ROOM];
  UNROLL for (int k = 0; k < K; k++) key[k] = ((ints)(1.0 + cell->fraction[k]) & ~7) | (7 - k);
  UNROLL for (int end = K - 1; end > 0; end--)
    UNROLL for (int i = 0; i < end; i++) {
      const ints a = key[i], b = key[i + 1], swap = a < b;
      key[i] = (b & swap) | (a & ~swap);
      key[i + 1] = (a & swap) | (b & ~swap);
    }
  UNROLL for (int i = 0; i < K; i++) {
    f[i] = (vec)(key[i] & ~7) - 1.0;
    s->stock[i] = 7 - (key[i] & 7);
  }
  s->corner[0] = cell->base;
  s->weight[0] = (vec){1.0, 1.0, 1.0, 1.0};
  UNROLL for (int i = 0; i < K; i++) {
    ints step = {0, 0, 0, 0};
    UNROLL for (int k = 0; k < K; k++) step |= (s->stock[i] == k) & j->step[k];
    s->corner[i + 1] = s->corner[i] + step;
    s->weight[i] -= f[i];
    s->weight[i + 1] = f[i];
  }
  if (!slopes) return;
  const vec half = {0.5, 0.5, 0.5, 0.5};
  UNROLL for (int k = 0; k < K; k++) {
    s->lever[0][k] = 0.5 * cell->fraction[k];
    UNROLL for (int i = 0; i < K; i++)
      s->lever[i + 1][k] = s->lever[i][k] - (vec)((s->stock[i] == k) & (ints)half);
  }
}

INLINE void enclose(const struct job *j, const struct cell *cell, struct box *box) {
  box->offset[0] = 0;
  box->weight[0] = (vec){1.0, 1.0, 1.0, 1.0};
  for (int k = 0; k < K; k++)
    for (int b = 0; b < 1 << k; b++) {
      box->offset[b | 1 << k] = box->offset[b] + j->step[k];
      box->weight[b | 1 << k] = box->weight[b] * cell->fraction[k];
      box->weight[b] *= 1.0 - cell->fraction[k];
    }
}

#if defined(__clang__) || __GNUC__ >= 12
#define PICK(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define PICK(a, b, ...) __builtin_shuffle(a, b, (ints){__VA_ARGS__})
#endif

INLINE void transpose(vec v[4]) {
  const vec a = PICK(v[0], v[1], 0, 4, 2, 6), b = PICK(v[0], v[1], 1, 5, 3, 7);
  const vec c = PICK(v[2], v[3], 0, 4, 2, 6), d = PICK(v[2], v[3], 1, 5, 3, 7);
  v[0] = PICK(a, c, 0, 1, 4, 5), v[1] = PICK(b, d, 0, 1, 4, 5);
  v[2] = PICK(a, c, 2, 3, 6, 7), v[3] = PICK(b, d, 2, 3, 6, 7);
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

INLINE vec simplex_value(const int slopes, const struct simplex *s, const double *rows, int n) {
  vec total = {0.0, 0.0, 0.0, 0.0};
  UNROLL for (int i = 0; i <= K; i++) {
    const double *row = rows + s->corner[i][n];
    vec height = load(row);
    if (slopes)
      UNROLL for (int k = 0; k < K; k++)
        height += s->lever[i][k][n] * load(row + (k + 1) * 4);
    total += s->weight[i][n] * height;
  }
  return total;
}

INLINE void simplex_backward(const int slopes, const struct job *j, const struct simplex *s,
                             const double *rows, double *d_rows, vec ct, double *d_point, int n) {
  vec by_stock[ROOM], before = ct;
  double along[ROOM];
  UNROLL for (int k = 0; k < K; k++) by_stock[k] = (vec){0.0, 0.0, 0.0, 0.0};
  UNROLL for (int i = 0; i <= K; i++) {
    const double *row = rows + s->corner[i][n];
    double *d_row = d_rows + s->corner[i][n];
    vec height = load(row);
    const vec share = s->weight[i][n] * ct;
    add(d_row, share);
    if (slopes)
      UNROLL for (int k = 0; k < K; k++) {
        const vec slope = load(row + (k + 1) * 4);
        height += s->lever[i][k][n] * slope;
        by_stock[k] += s->weight[i][n] * slope;
        add(d_row + (k + 1) * 4, s->lever[i][k][n] * share);
      }
    if (i > 0) along[i - 1] = dot(height - before, ct);
    before = height;
  }
  /* A growing fraction moves weight from the corner before its step to the one after. */
  UNROLL for (int k = 0; k < K; k++) {
    double total = slopes ? 0.5 * dot(by_stock[k], ct) : 0.0;
    UNROLL for (int i = 0; i < K; i++) total += s->stock[i][n] == k ? along[i] : 0.0;
    d_point[j->axis[k]] += total;
  }
}

INLINE vec box_value(const struct box *box, const double *rows, int n) {
  vec total = {0.0, 0.0, 0.0, 0.0};
  for (int b = 0; b < BOX; b++) total += box->weight[b][n] * load(rows + box->offset[b]);
  return total;
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

/* The nodes of one place for one regime, four channels at a time. */
INLINE void visit(const enum scheme scheme, const int backward, const struct job *j,
                  const struct cell *cell, const struct simplex *simplex, const struct box *box,
                  int64_t block, int64_t line, int64_t place, int64_t count) {
  const int slopes = scheme >= QUADRATIC;
  const int64_t four = slopes ? 4 * (1 + K) : 4;
  for (int64_t c = 0; c < j->channels; c += 4, block += four) {
    const double *rows = j->rows + block;
    vec value[LANES];
    if (!backward) {
      UNROLL for (int n = 0; n < LANES; n++) {
        /* Read one lane from memory when it is wanted: that is cheaper than to take it out of a
         * vector, or to keep all of them at hand over the channels. */
        __asm__ volatile("" : : "r"(cell), "r"(simplex), "r"(box) : "memory");
        value[n] = scheme == MULTILINEAR ? box_value(box, rows + cell->base[n], n)
                                         : simplex_value(slopes, simplex, rows, n);
      }
      spread(j, value, j->out + line, c, count);
      continue;
    }
    collect(j, value, j->cotangent + line, c, count);
    for (int n = 0; n < count; n++) {
      double *d_point = j->d_points + place + n * j->coordinates;
      double *d_rows = j->d_rows + block;
      if (scheme == MULTILINEAR)
        box_backward(j, box, rows + cell->base[n], d_rows + cell->base[n], value[n], d_point, n);
      else
        simplex_backward(slopes, j, simplex, rows, d_rows, value[n], d_point, n);
    }
  }
}

/* The slope at one level along a stock: weights of two neighbouring differences. At an edge both
 * are one-sided, and the limiter knows only the nearer. */
struct stencil {
  int64_t near, far; /* lower levels of the differences */
  double of_near, of_far;
  int edge;
};

INLINE struct stencil stencil_at(int64_t level, int64_t count) {
  if (count == 2) return (struct stencil){0, 0, 1.0, 0.0, 1};
  if (level == 0) return (struct stencil){0, 1, 1.5, -0.5, 1};
  if (level == count - 1) return (struct stencil){count - 2, count - 3, 1.5, -0.5, 1};
  return (struct stencil){level - 1, level, 0.5, 0.5, 0};
}

INLINE vec when(ints condition, vec value) { return (vec)((ints)value & condition); }
INLINE vec size(vec x) { return (vec)((ints)x & INT64_MAX); }

/* The limiter: no slope where the differences disagree, at most twice the smaller elsewhere. */
INLINE vec limit(vec slope, vec left, vec right) {
  const vec zero = {0.0, 0.0, 0.0, 0.0};
  const ints agree = (left * right > zero) & (slope * left > zero);
  const ints first = size(left) < size(right);
  const vec bound = 2.0 * (when(first, left) + when(~first, right));
  const ints steep = size(slope) > size(bound);
  return when(agree, when(steep, bound) + when(~steep, slope));
}

/* What a cotangent of the limited slope means for the slope and for the two differences. */
INLINE vec limit_backward(vec slope, vec *left, vec *right, vec ct) {
  const vec zero = {0.0, 0.0, 0.0, 0.0};
  const ints agree = (*left * *right > zero) & (slope * *left > zero);
  const ints first = size(*left) < size(*right);
  const vec bound = 2.0 * (when(first, *left) + when(~first, *right));
  const ints steep = size(slope) > size(bound);
  *left = when(agree & steep & first, 2.0 * ct);
  *right = when(agree & steep & ~first, 2.0 * ct);
  return when(agree & ~steep, ct);
}

/* Go along stock k through all rows. Forward: fill in the slopes. Backward: carry the cotangents
 * of the slopes over to those of the values. */
INLINE void slopes_along(const int k, const int limited, const int backward, const struct job *j) {
  const int64_t count = j->levels[k], step = j->step[k], four = 4 * (1 + K);
  const int64_t lines = j->blocks * j->grid * j->width / (count * step);
  double *const rows = (double *)j->rows, *const d_rows = j->d_rows;
  for (int64_t line = 0; line < lines; line++)
    for (int64_t level = 0; level < count; level++) {
      const struct stencil at = stencil_at(level, count);
      const int64_t start = line * count * step;
      for (int64_t i = start; i < start + step; i += four) {
        const int64_t near = i + at.near * step, far = i + at.far * step;
        const int64_t here = i + level * step + 4 * (k + 1);
        vec left = load(rows + near + step) - load(rows + near);
        vec right = load(rows + far + step) - load(rows + far);
        const vec slope = at.of_near * left + at.of_far * right;
        if (at.edge) right = left;
        if (!backward) {
          *(vec *)(rows + here) = limited ? limit(slope, left, right) : slope;
          continue;
        }
        vec ct = load(d_rows + here), d_left = left, d_right = right;
        if (limited)
          ct = limit_backward(slope, &d_left, &d_right, ct);
        else
          d_left = d_right = (vec){0.0, 0.0, 0.0, 0.0};
        if (at.edge) d_left += d_right, d_right -= d_right;
        d_left += at.of_near * ct, d_right += at.of_far * ct;
        add(d_rows + near + step, d_left), add(d_rows + near, -d_left);
        add(d_rows + far + step, d_right), add(d_rows + far, -d_right);
      }
    }
}

/* Between values [P, G, C] and the first vector of each four channels in the rows. */
INLINE void copy_values(const struct job *j, int64_t four, const int backward) {
  for (int64_t g = 0; g < j->blocks * j->grid; g++)
    for (int64_t c = 0; c < j->channels; c += 4) {
      const int64_t some = j->channels - c < 4 ? j->channels - c : 4;
      const int64_t row = g * j->width + c / 4 * four, value = g * j->channels + c;
      if (backward) {
        memcpy(j->d_values + value, j->d_rows + row, sizeof(double) * (size_t)some);
      } else {
        vec padded = {0.0, 0.0, 0.0, 0.0};
        for (int64_t i = 0; i < some; i++) padded[i] = j->values[value + i];
        *(vec *)((double *)j->rows + row) = padded;
      }
    }
}

INLINE void fill_rows(const enum scheme scheme, const struct job *j) {
  const int slopes = scheme >= QUADRATIC;
  if (j->rows == j->values) return;
  copy_values(j, slopes ? 4 * (1 + K) : 4, 0);
  if (slopes)
    for (int k = 0; k < K; k++) slopes_along(k, scheme == LIMITED, 0, j);
}

INLINE void drain_rows(const enum scheme scheme, const struct job *j) {
  const int slopes = scheme >= QUADRATIC;
  if (j->rows == j->values) return;
  if (slopes)
    for (int k = 0; k < K; k++) slopes_along(k, scheme == LIMITED, 1, j);
  copy_values(j, slopes ? 4 * (1 + K) : 4, 1);
}

/* One pass over all tables, moves and nodes; regimes that read the same table share its cells. */
INLINE void sweep(const enum scheme scheme, const int backward, const struct job *j) {
  const int slopes = scheme >= QUADRATIC;
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
          visit(scheme, backward, j, &cell, &simplex, &box, block, line, place, count);
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

/* Arguments: values [P, G, C], points [U, A, N, coordinates], table [R], pattern [R, A] and,
 * backward, the cotangent [R, C, A, N]. Attributes: levels, scheme. Results: the values, or the
 * cotangents of values and points; then the rows, and backward their cotangents: scratch that XLA
 * lends, [P, G, width], empty where the values can be read in place. */
static XLA_FFI_Error *read_job(const XLA_FFI_CallFrame *frame, int backward, struct job *j,
                               enum scheme *scheme) {
  if (frame->args.size != 4 + backward || frame->rets.size != 2 + 2 * backward)
    return refuse(frame, "interpolation kernel: wrong number of buffers");
  const XLA_FFI_Array *levels = attribute(frame, "levels");
  const XLA_FFI_Scalar *code = attribute(frame, "scheme");
  if (!levels || !code || levels->dtype != XLA_FFI_DataType_S64 ||
      code->dtype != XLA_FFI_DataType_S64)
    return refuse(frame, "interpolation kernel: levels or scheme missing");
  const XLA_FFI_Buffer *values = argument(frame, 0), *points = argument(frame, 1);
  const XLA_FFI_Buffer *table = argument(frame, 2), *pattern = argument(frame, 3);
  const XLA_FFI_Buffer *rows = result(frame, backward ? 2 : 1);
  if (!is(values, XLA_FFI_DataType_F64, 3) || !is(points, XLA_FFI_DataType_F64, 4) ||
      !is(table, XLA_FFI_DataType_S32, 1) || !is(pattern, XLA_FFI_DataType_S32, 2) ||
      !is(rows, XLA_FFI_DataType_F64, 3))
    return refuse(frame, "interpolation kernel: values and points are f64, indices i32");
  memset(j, 0, sizeof *j);
  *scheme = (enum scheme) * (const int64_t *)code->value;
  j->blocks = values->dims[0], j->grid = values->dims[1], j->channels = values->dims[2];
  j->tables = points->dims[0], j->moves = points->dims[1], j->nodes = points->dims[2];
  j->coordinates = points->dims[3], j->regimes = table->dims[0];
  j->width = (j->channels + 3) / 4 * 4 * (*scheme >= QUADRATIC ? 1 + K : 1);
  int64_t stride = 1;
  int stocks = 0;
  for (int64_t k = j->coordinates; k-- > 0 && k < (int64_t)levels->size;) {
    const int64_t count = ((const int64_t *)levels->data)[k];
    if (count > 1) {
      if (++stocks > K) break;
      j->axis[K - stocks] = k, j->levels[K - stocks] = count;
      j->step[K - stocks] = stride * j->width;
    }
    stride *= count;
  }
  const int apart = j->width != j->channels;
  if (stocks != K || stride != j->grid || (int64_t)levels->size != j->coordinates ||
      *scheme > LIMITED || (apart && rows->dims[2] != j->width))
    return refuse(frame, "interpolation kernel: sizes do not fit the grid");
  j->values = values->data, j->points = points->data;
  j->rows = apart ? rows->data : values->data;
  j->table = table->data, j->pattern = pattern->data;
  for (int64_t r = 0; r < j->regimes; r++) {
    if (j->table[r] < 0 || j->table[r] >= j->tables)
      return refuse(frame, "interpolation kernel: a row reads a table that is not there");
    for (int64_t a = 0; a < j->moves; a++)
      if (j->pattern[r * j->moves + a] < 0 || j->pattern[r * j->moves + a] >= j->blocks)
        return refuse(frame, "interpolation kernel: a row reads values that are not there");
  }
  if (!backward) {
    j->out = result(frame, 0)->data;
    return NULL;
  }
  j->cotangent = argument(frame, 4)->data;
  j->d_values = result(frame, 0)->data, j->d_points = result(frame, 1)->data;
  j->d_rows = apart ? result(frame, 3)->data : j->d_values;
  memset(j->d_rows, 0, sizeof(double) * (size_t)(j->blocks * j->grid * j->width));
  memset(j->d_points, 0,
         sizeof(double) * (size_t)(j->tables * j->moves * j->nodes * j->coordinates));
  return NULL;
}

/* Scheme and direction are constants inside `sweep`, so that every inner loop is unrolled. */
XLA_FFI_Error *servanda_forward(XLA_FFI_CallFrame *frame) {
  if (answers_metadata(frame)) return NULL;
  struct job j;
  enum scheme scheme;
  XLA_FFI_Error *error = read_job(frame, 0, &j, &scheme);
  if (error) return error;
  fill_rows(scheme, &j);
  if (scheme == MULTILINEAR) sweep(MULTILINEAR, 0, &j);
  if (scheme == SIMPLEX) sweep(SIMPLEX, 0, &j);
  if (scheme >= QUADRATIC) sweep(QUADRATIC, 0, &j);
  return NULL;
}

XLA_FFI_Error *servanda_backward(XLA_FFI_CallFrame *frame) {
  if (answers_metadata(frame)) return NULL;
  struct job j;
  enum scheme scheme;
  XLA_FFI_Error *error = read_job(frame, 1, &j, &scheme);
  if (error) return error;
  fill_rows(scheme, &j);
  if (scheme == MULTILINEAR) sweep(MULTILINEAR, 1, &j);
  if (scheme == SIMPLEX) sweep(SIMPLEX, 1, &j);
  if (scheme >= QUADRATIC) sweep(QUADRATIC, 1, &j);
  drain_rows(scheme, &j);
  return NULL;
}
