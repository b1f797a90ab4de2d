/* What do the compiled kernels share?
 *
 * How values lie in memory (rows, with slopes where the scheme wants them), where arrival points lie
 * in the grid, and what a value function is worth there. The formulas are those of interpolate.py.
 * Included by kernel.c and sweep.c, which say how many nodes they take side by side (LANES).
 */

#pragma once

#include <stdint.h>
#include <string.h>
#ifdef __AVX512F__
#include <immintrin.h>
#endif

#include "border.h"

#define K STOCKS
#define ROOM (STOCKS > 0 ? STOCKS : 1) /* C has no empty arrays */
#define BOX (1 << STOCKS)
#ifndef LANES
#define LANES 4
#endif
#define UNROLL _Pragma("GCC unroll 8")

typedef double vec __attribute__((vector_size(32), aligned(8), may_alias));
typedef int64_t ints __attribute__((vector_size(32), aligned(8), may_alias));
/* One number of each of the nodes that are taken side by side. */
typedef double lanes __attribute__((vector_size(8 * LANES), aligned(8), may_alias));
typedef int64_t marks __attribute__((vector_size(8 * LANES), aligned(8), may_alias));

/* The order of interpolate.SCHEMES. SCHEME is the one this is compiled for, QUADRATIC also for
 * LIMITED, which differs in the slopes only. */
enum scheme { MULTILINEAR, SIMPLEX, QUADRATIC, LIMITED };

struct job {
  int64_t blocks, grid, channels, tables, draws, moves, nodes, coordinates, regimes;
  int64_t width;      /* doubles in a row: channels, rounded up to fours, times 1 or 1 + K */
  /* The stocks with two levels or more: where their coordinates start, and from node to node. */
  int64_t axis[ROOM], stride;
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
  marks base;
  lanes fraction[ROOM];
};

/* The corners of the Kuhn simplices: offsets, weights, and what multiplies each slope. */
struct simplex {
  marks corner[K + 1];
  marks stock[ROOM]; /* the one that steps up between corners i and i + 1 */
  lanes weight[K + 1];
  lanes half[ROOM]; /* half the fraction along `stock`, so in falling order */
  marks key[ROOM], sorted[ROOM]; /* fractions as integers: by stock, and in falling order */
};

/* The corners of the boxes: bit k of a corner's number says whether it is the upper one along k. */
struct box {
  int64_t offset[BOX];
  lanes weight[BOX];
};

INLINE vec load(const double *p) { return *(const vec *)p; }
INLINE void add(double *p, vec x) { *(vec *)p += x; }
INLINE double dot(vec a, vec b) {
  const vec c = a * b;
  return (c[0] + c[1]) + (c[2] + c[3]);
}

/* What C's vectors lack: one instruction each where there are vectors of eight. */
#if LANES == 8 && defined(__AVX512F__)
INLINE lanes clamp(lanes x, lanes top) { /* to 0 .. top, and NaN to 0 */
  return (lanes)_mm512_min_pd(_mm512_max_pd((__m512d)x, _mm512_setzero_pd()), (__m512d)top);
}
INLINE marks larger(marks a, marks b) { return (marks)_mm512_max_epi64((__m512i)a, (__m512i)b); }
INLINE marks smaller(marks a, marks b) { return (marks)_mm512_min_epi64((__m512i)a, (__m512i)b); }
INLINE marks entries_at(const int64_t *table, marks index) { /* of a table of eight */
  return (marks)_mm512_permutexvar_epi64((__m512i)index, _mm512_loadu_si512(table));
}
#else
INLINE lanes clamp(lanes x, lanes top) {
  const lanes inside = (lanes)((marks)x & (x > 0.0));
  const marks keep = inside < top;
  return (lanes)(((marks)inside & keep) | ((marks)top & ~keep));
}
INLINE marks larger(marks a, marks b) { return (a & (a > b)) | (b & (a <= b)); }
INLINE marks smaller(marks a, marks b) { return (a & (a <= b)) | (b & (a > b)); }
INLINE marks entries_at(const int64_t *table, marks index) {
  marks out = {0};
  UNROLL for (int k = 0; k < K; k++) out |= (index == k) & table[k];
  return out;
}
#endif

INLINE void locate(const struct job *j, const lanes point[ROOM], struct cell *cell) {
  /* A double from 2^52 to 2^53 is a whole number, and its low bits are that number: rounding and
   * conversion without instructions that older processors lack. */
  const lanes zero = {0.0}, one = zero + 1.0, whole = zero + 0x1p52;
  lanes base = zero;
  UNROLL for (int k = 0; k < K; k++) {
    const lanes x = point[k], top = zero + (double)(j->levels[k] - 2);
    /* NaN falls into cell 0: the result is NaN, the memory stays ours. */
    const lanes inside = clamp(x, top);
    lanes low = (inside + whole) - whole;
    low -= (lanes)((marks)one & (low > inside));
    cell->fraction[k] = x - low;
    base += low * (double)j->step[k];
  }
  cell->base = (marks)(base + whole) ^ (marks)whole;
}

/* Sort the fractions downwards and walk from the lower corner along the stocks in that order.
 * The sort is an insertion network on integers: the bits of 1 + fraction order like the number,
 * and its last three make room for the stock (2^-49 of a level; the first stock wins a tie). */
INLINE void triangulate(const struct job *j, const struct cell *cell, struct simplex *s) {
  marks key[ROOM];
  lanes f[ROOM];
  UNROLL for (int k = 0; k < K; k++)
    s->key[k] = key[k] = ((marks)(1.0 + cell->fraction[k]) & ~7) | (7 - k);
  UNROLL for (int end = K - 1; end > 0; end--)
    UNROLL for (int i = 0; i < end; i++) {
      const marks a = key[i], b = key[i + 1];
      key[i] = larger(a, b), key[i + 1] = smaller(a, b);
    }
  UNROLL for (int i = 0; i < K; i++) {
    f[i] = (lanes)(key[i] & ~7) - 1.0;
    s->stock[i] = 7 - (key[i] & 7);
    s->sorted[i] = key[i];
  }
  int64_t step[8] = {0};
  UNROLL for (int k = 0; k < K; k++) step[k] = j->step[k];
  s->corner[0] = cell->base;
  s->weight[0] = (lanes){0.0} + 1.0;
  UNROLL for (int i = 0; i < K; i++) {
    s->corner[i + 1] = s->corner[i] + entries_at(step, s->stock[i]);
    s->weight[i] -= f[i];
    s->weight[i + 1] = f[i];
    s->half[i] = 0.5 * f[i];
  }
}

INLINE void enclose(const struct job *j, const struct cell *cell, struct box *box) {
  box->offset[0] = 0;
  box->weight[0] = (lanes){0.0} + 1.0;
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

/* Half the offset x - x_i of a node from corner i, along the stock of step `at`: the fraction, less
 * one once that step has been made. */
INLINE double lever(const struct simplex *s, int i, int at, int n) {
  return s->half[at][n] - (at < i ? 0.5 : 0.0);
}

/* What the values at LANES nodes are sums of: for every corner its place, and what multiplies its
 * value and its slopes. The same for all value functions read at these nodes. */
enum { CORNERS = SCHEME == MULTILINEAR ? BOX : K + 1 };
struct term {
  int64_t place[LANES];
  double factor[1 + K][LANES];
};

/* With slopes, p(x) = sum over corners i of w_i (V_i + (x - x_i) . slopes_i / 2). A corner lies one
 * level up along the stocks whose fractions are at least those of the steps made to reach it. */
INLINE void weigh(const enum scheme scheme, const struct job *j, const lanes point[ROOM],
                  struct term t[CORNERS]) {
  struct cell cell;
  locate(j, point, &cell);
  if (scheme == MULTILINEAR) {
    struct box box;
    enclose(j, &cell, &box);
    for (int b = 0; b < BOX; b++) {
      *(marks *)t[b].place = cell.base + box.offset[b];
      *(lanes *)t[b].factor[0] = box.weight[b];
    }
    return;
  }
  struct simplex s;
  triangulate(j, &cell, &s);
  const lanes half = (lanes){0.0} + 0.5;
  UNROLL for (int i = 0; i <= K; i++) {
    *(marks *)t[i].place = s.corner[i];
    *(lanes *)t[i].factor[0] = s.weight[i];
    if (scheme >= QUADRATIC)
      UNROLL for (int k = 0; k < K; k++) {
        lanes lever = 0.5 * ((lanes)(s.key[k] & ~7) - 1.0);
        if (i > 0) lever -= (lanes)((marks)half & (s.key[k] >= s.sorted[i - 1]));
        *(lanes *)t[i].factor[1 + k] = s.weight[i] * lever;
      }
  }
}

/* Value functions read together, so that a factor is fetched once for all of them. */
enum { TOGETHER = 4 };

/* Four channels of each of `some` value functions at each node, from `count` terms:
 * value[function][node]. */
INLINE void add_up(const enum scheme scheme, const int some, const struct term *t, int64_t count,
                   const double *const rows[TOGETHER], vec value[TOGETHER][LANES]) {
  const int columns = scheme >= QUADRATIC ? 1 + K : 1;
  for (int n = 0; n < LANES; n++) {
    vec sum[TOGETHER][2]; /* two chains each: one would wait for itself */
    UNROLL for (int q = 0; q < some; q++)
      sum[q][0] = sum[q][1] = (vec){0.0, 0.0, 0.0, 0.0};
    for (int64_t i = 0; i < count; i++) {
      const int64_t place = t[i].place[n];
      UNROLL for (int c = 0; c < columns; c++) {
        const double factor = t[i].factor[c][n];
        const vec all = {factor, factor, factor, factor};
        UNROLL for (int q = 0; q < some; q++) sum[q][c & 1] += all * load(rows[q] + place + 4 * c);
      }
    }
    UNROLL for (int q = 0; q < some; q++) value[q][n] = sum[q][0] + sum[q][1];
  }
}

/* The same for a number known only at run time: inside, it is a constant. */
INLINE void add_up_some(const enum scheme scheme, int some, const struct term *t, int64_t count,
                        const double *const rows[TOGETHER], vec value[TOGETHER][LANES]) {
  if (some == 1) add_up(scheme, 1, t, count, rows, value);
  if (some == 2) add_up(scheme, 2, t, count, rows, value);
  if (some == 3) add_up(scheme, 3, t, count, rows, value);
  if (some == 4) add_up(scheme, 4, t, count, rows, value);
}

/* The slope at one level along a stock: weights of the values around it. */
struct stencil {
  int64_t first, points;
  double weight[5];
};

/* As `slope_matrix` in interpolate.py. */
INLINE struct stencil stencil_at(int64_t level, int64_t count, const int limited) {
  if (count == 2) return (struct stencil){0, 2, {-1.0, 1.0}};
  if (level == 0) return (struct stencil){0, 3, {-1.5, 2.0, -0.5}};
  if (level == count - 1) return (struct stencil){count - 3, 3, {0.5, -2.0, 1.5}};
  if (!limited || count == 3) return (struct stencil){level - 1, 3, {-0.5, 0.0, 0.5}};
  if (level == 1) return (struct stencil){0, 4, {-2.0 / 6.0, -3.0 / 6.0, 6.0 / 6.0, -1.0 / 6.0}};
  if (level == count - 2)
    return (struct stencil){count - 4, 4, {1.0 / 6.0, -6.0 / 6.0, 3.0 / 6.0, 2.0 / 6.0}};
  return (struct stencil){level - 2, 5, {1.0 / 12.0, -8.0 / 12.0, 0.0, 8.0 / 12.0, -1.0 / 12.0}};
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

/* Go along stock k through a block's rows. Forward: fill in the slopes, limited by the differences to
 * the neighbours (at an edge there is but one). Backward: carry the cotangents of the slopes over
 * to those of the values. */
INLINE void slopes_along(const int k, const int limited, const int backward, const struct job *j,
                         int64_t block) {
  const int64_t count = j->levels[k], step = j->step[k], four = 4 * (1 + K);
  const int64_t lines = j->grid * j->width / (count * step);
  for (int64_t line = block * lines; line < (block + 1) * lines; line++)
    for (int64_t level = 0; level < count; level++) {
      const struct stencil at = stencil_at(level, count, limited);
      const int64_t start = line * count * step, first = start + at.first * step;
      const int64_t lower = start + (level > 0 ? level - 1 : 0) * step;
      const int64_t upper = start + (level < count - 1 ? level : count - 2) * step;
      const int64_t here = start + level * step + 4 * (k + 1);
      for (int64_t i = 0; i < step; i += four) {
        const double *row = j->rows + i;
        vec slope = {0.0, 0.0, 0.0, 0.0};
        for (int64_t m = 0; m < at.points; m++) slope += at.weight[m] * load(row + first + m * step);
        vec left = load(row + lower + step) - load(row + lower);
        vec right = load(row + upper + step) - load(row + upper);
        if (!backward) {
          *(vec *)((double *)row + here) = limited ? limit(slope, left, right) : slope;
          continue;
        }
        double *d_row = j->d_rows + i;
        vec ct = load(d_row + here);
        if (limited) {
          ct = limit_backward(slope, &left, &right, ct);
          add(d_row + lower + step, left), add(d_row + lower, -left);
          add(d_row + upper + step, right), add(d_row + upper, -right);
        }
        for (int64_t m = 0; m < at.points; m++) add(d_row + first + m * step, at.weight[m] * ct);
      }
    }
}

/* Between one block's values [G, C] and the first vector of each four channels in its rows. */
INLINE void copy_values(const struct job *j, int64_t block, int64_t four, const int backward) {
  for (int64_t g = block * j->grid; g < (block + 1) * j->grid; g++)
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

/* Whether a value function (a block of rows) is read by anybody who is not left out. */
INLINE int is_read(const struct job *j, int64_t block) {
  for (int64_t r = 0; r < j->regimes; r++) {
    if (j->table[r] < 0) continue;
    for (int64_t a = 0; a < j->moves; a++)
      if (j->pattern[r * j->moves + a] == block) return 1;
  }
  return 0;
}

INLINE void fill_rows(const enum scheme scheme, const struct job *j) {
  const int slopes = scheme >= QUADRATIC;
  if (j->rows == j->values) return;
  for (int64_t block = 0; block < j->blocks; block++) {
    if (!is_read(j, block)) continue;
    copy_values(j, block, slopes ? 4 * (1 + K) : 4, 0);
    if (slopes)
      for (int k = 0; k < K; k++) slopes_along(k, scheme == LIMITED, 0, j, block);
  }
}

INLINE void drain_rows(const enum scheme scheme, const struct job *j) {
  const int slopes = scheme >= QUADRATIC;
  if (j->rows == j->values) return;
  for (int64_t block = 0; block < j->blocks; block++) {
    if (slopes && is_read(j, block))
      for (int k = 0; k < K; k++) slopes_along(k, scheme == LIMITED, 1, j, block);
    copy_values(j, block, slopes ? 4 * (1 + K) : 4, 1);
  }
}

/* ---- what XLA hands over ---- */

/* The first four arguments: values [P, G, C], points [U, D * A, N, coordinates], or by stock
 * [U, D * A, coordinates, N], table [R] (-1: the row is left out, its results are not written),
 * pattern [R, A]; D draws read the same value functions. Attributes: levels, scheme, by_stock. `rows` is scratch that XLA lends, [P, G, width],
 * empty where the values can be read in place. */
static XLA_FFI_Error *read_grid(const XLA_FFI_CallFrame *frame, const XLA_FFI_Buffer *rows,
                                struct job *j, enum scheme *scheme) {
  const XLA_FFI_Array *levels = attribute(frame, "levels");
  const XLA_FFI_Scalar *code = attribute(frame, "scheme");
  const XLA_FFI_Scalar *order = attribute(frame, "by_stock");
  if (!levels || !code || !order || levels->dtype != XLA_FFI_DataType_S64 ||
      code->dtype != XLA_FFI_DataType_S64 || order->dtype != XLA_FFI_DataType_S64)
    return refuse(frame, "compiled kernel: levels, scheme or by_stock missing");
  const int by_stock = *(const int64_t *)order->value != 0;
  const XLA_FFI_Buffer *values = argument(frame, 0), *points = argument(frame, 1);
  const XLA_FFI_Buffer *table = argument(frame, 2), *pattern = argument(frame, 3);
  if (!is(values, XLA_FFI_DataType_F64, 3) || !is(points, XLA_FFI_DataType_F64, 4) ||
      !is(table, XLA_FFI_DataType_S32, 1) || !is(pattern, XLA_FFI_DataType_S32, 2) ||
      !is(rows, XLA_FFI_DataType_F64, 3) || pattern->dims[0] != table->dims[0])
    return refuse(frame, "compiled kernel: values and points are f64, indices i32");
  memset(j, 0, sizeof *j);
  *scheme = (enum scheme) * (const int64_t *)code->value;
  j->blocks = values->dims[0], j->grid = values->dims[1], j->channels = values->dims[2];
  j->tables = points->dims[0], j->moves = pattern->dims[1], j->regimes = table->dims[0];
  j->draws = j->moves > 0 ? points->dims[1] / j->moves : 0;
  if (j->draws * j->moves != points->dims[1])
    return refuse(frame, "compiled kernel: points do not fit the moves");
  j->nodes = points->dims[by_stock ? 3 : 2], j->coordinates = points->dims[by_stock ? 2 : 3];
  j->width = (j->channels + 3) / 4 * 4 * (*scheme >= QUADRATIC ? 1 + K : 1);
  j->stride = by_stock ? 1 : j->coordinates;
  int64_t stride = 1;
  int stocks = 0;
  for (int64_t k = j->coordinates; k-- > 0 && k < (int64_t)levels->size;) {
    const int64_t count = ((const int64_t *)levels->data)[k];
    if (count > 1) {
      if (++stocks > K) break;
      j->axis[K - stocks] = by_stock ? k * j->nodes : k, j->levels[K - stocks] = count;
      j->step[K - stocks] = stride * j->width;
    }
    stride *= count;
  }
  const int apart = j->width != j->channels;
  if (stocks != K || stride != j->grid || (int64_t)levels->size != j->coordinates ||
      *scheme > LIMITED || (*scheme < QUADRATIC ? *scheme : QUADRATIC) != SCHEME || (apart && rows->dims[2] != j->width))
    return refuse(frame, "compiled kernel: sizes do not fit the grid");
  j->values = values->data, j->points = points->data;
  j->rows = apart ? rows->data : values->data;
  j->table = table->data, j->pattern = pattern->data;
  for (int64_t r = 0; r < j->regimes; r++) {
    if (j->table[r] < -1 || j->table[r] >= j->tables)
      return refuse(frame, "compiled kernel: a row reads a table that is not there");
    for (int64_t a = 0; a < j->moves; a++)
      if (j->pattern[r * j->moves + a] < 0 || j->pattern[r * j->moves + a] >= j->blocks)
        return refuse(frame, "compiled kernel: a row reads values that are not there");
  }
  return NULL;
}
