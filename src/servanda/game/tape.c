/* What are a scenario's formulas worth at positions, at compiled speed?
 *
 * In: a tape (the formulas as one flat list of steps, made by tape.py), and what its first steps
 * read: scalars, numbers along rows, and stocks and other numbers along points. Out: every result
 * at every row and point, or the cotangents of scalars and stocks. Knows nothing of a scenario:
 * compiled once for a machine by native.py. Single threaded: the caller's worlds are the parallel
 * axis.
 *
 * Steps come in four classes, one after the other: those that are the same everywhere, those that
 * change with the row, with the point, and with both. The first three are done once each, the last
 * for a block of points at a time, so that a block's numbers lie in the nearest cache.
 */

#include <math.h>
#include <stdlib.h>

#include "border.h"

#ifdef __AVX512F__
#define LANES 8
#else
#define LANES 4
#endif
#define APART static __attribute__((noinline, noclone))
#define BLOCK 64  /* points whose steps are done together */
#define CHUNK 512 /* points for which a row's own numbers are laid out once */

typedef double lanes __attribute__((vector_size(8 * LANES), aligned(8), may_alias));
typedef int64_t marks __attribute__((vector_size(8 * LANES), aligned(8), may_alias));

/* The order of tape.OPERATIONS. */
enum operation {
  CONSTANT, SCALAR, ROW, STOCK, SEEN,
  NOT, AND, OR, LESS, LESS_EQUAL, EQUAL, NOT_EQUAL,
  ADD, SUBTRACT, MULTIPLY, DIVIDE, POWER, WHOLE_POWER,
  NEGATE, ABS, MINIMUM, MAXIMUM, SELECT, EXP, LOG, SQRT, TANH,
  OPERATIONS
};

enum class { SAME, BY_ROW, BY_POINT, BY_BOTH };

struct step {
  int32_t operation, a, b, c;
};

struct tape {
  int64_t count, end[4], slots, results;
  const struct step *step;
  const int32_t *slot;   /* where the forward pass keeps what differs by row and point */
  const int32_t *active; /* whether a step's value has a derivative that anybody wants */
  const int32_t *result;
  int64_t scalars, columns, stocks, seen, rows, points;
  const double *scalar, *row, *stock, *see;
  double *out; /* forward */
  const double *cotangent; /* backward */
  double *d_scalar, *d_stock;
  /* Where each step's value lies, and its cotangent; `moves` if it does with the place. */
  double **value, **d_value;
  int64_t *moves;
  int64_t *wanted, wants; /* the steps by row that others or the results read */
};

/* A run of rows or points: their place in the buffers and in the arguments, how many there are, and
 * how many the buffers hold (the rest repeats the last one). */
struct place {
  int64_t offset, first, valid, padded;
};

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t padded(int64_t n) { return (n + LANES - 1) / LANES * LANES; }

static struct place place(int64_t offset, int64_t first, int64_t end, int64_t most) {
  const int64_t valid = least(end - first, most);
  return (struct place){offset, first, valid, padded(valid)};
}

INLINE lanes load(const double *p) { return *(const lanes *)p; }
INLINE void store(double *p, lanes x) { *(lanes *)p = x; }
INLINE lanes pick(marks m, lanes a, lanes b) {
  return (lanes)((m & (marks)a) | (~m & (marks)b));
}
INLINE lanes flag(marks m) { return (lanes)(m & (marks)((lanes){0.0} + 1.0)); }
INLINE lanes smaller(lanes a, lanes b) { return pick((a < b) | (a != a), a, b); }
INLINE lanes larger(lanes a, lanes b) { return pick((a > b) | (a != a), a, b); }

INLINE lanes whole_power(lanes x, int64_t exponent) {
  lanes out = (lanes){0.0} + 1.0;
  for (int64_t left = exponent < 0 ? -exponent : exponent; left > 0; left >>= 1, x *= x)
    if (left & 1) out *= x;
  if (exponent < 0) out = 1.0 / out;
  return out;
}

/* e^x = 2^doublings (1 + rest), without loss where x is near 0; x is no larger than some thousands.
 * NaN stays NaN. */
struct power_of_e {
  lanes doublings, rest;
};

INLINE struct power_of_e power_of_e(lanes x) {
  const lanes whole = (lanes){0.0} + 0x1.8p52; /* the last bit of such a number counts ones */
  const lanes k = (x * 0x1.71547652b82fep0 + whole) - whole;
  const lanes r = (x - k * 0x1.62e42feep-1) - k * 0x1.a39ef35793c76p-33; /* ln 2 in two parts */
  lanes p = (lanes){0.0} + 1.0 / 6227020800; /* 1 / 13!, and so on: Taylor's series */
  static const double factor[] = {1.0 / 479001600, 1.0 / 39916800, 1.0 / 3628800, 1.0 / 362880,
                                  1.0 / 40320,     1.0 / 5040,     1.0 / 720,     1.0 / 120,
                                  1.0 / 24,        1.0 / 6,        1.0 / 2};
  _Pragma("GCC unroll 11") for (int i = 0; i < 11; i++) p = p * r + factor[i];
  return (struct power_of_e){k, r + r * r * p};
}

INLINE lanes two_to(lanes k) { /* k whole, from -1022 to 1023 */
  return (lanes)((marks)(k + 1023.0 + 0x1p52) << 52);
}

INLINE lanes exponential(lanes x) {
  x = pick(x > 710.0, (lanes){0.0} + 710.0, pick(x < -746.0, (lanes){0.0} - 746.0, x));
  const struct power_of_e e = power_of_e(x);
  const lanes whole = (lanes){0.0} + 0x1.8p52, half = (0.5 * e.doublings + whole) - whole;
  return (1.0 + e.rest) * two_to(half) * two_to(e.doublings - half);
}

INLINE lanes hyperbolic_tangent(lanes x) {
  x = pick(x > 20.0, (lanes){0.0} + 20.0, pick(x < -20.0, (lanes){0.0} - 20.0, x));
  const struct power_of_e e = power_of_e(2.0 * x);
  const lanes scale = two_to(e.doublings), less_one = scale * e.rest + (scale - 1.0);
  return less_one / (less_one + 2.0);
}

static void fill(double *to, const double *from, struct place at) {
  memcpy(to, from, sizeof(double) * (size_t)at.valid);
  for (int64_t n = at.valid; n < at.padded; n++) to[n] = from[at.valid - 1];
}

static void repeat(double *to, double x, int64_t count) {
  for (int64_t n = 0; n < count; n++) to[n] = x;
}

static double sum(const double *x, int64_t count) {
  double total = 0.0;
  for (int64_t n = 0; n < count; n++) total += x[n];
  return total;
}

INLINE double *value(const struct tape *t, int64_t i, int64_t offset) {
  return t->value[i] + t->moves[i] * offset;
}
INLINE double *d_value(const struct tape *t, int64_t i, int64_t offset) {
  return t->d_value[i] + t->moves[i] * offset;
}

/* A whole power's b is its exponent. */
INLINE int reads_b(struct step s) { return s.operation >= NOT && s.operation != WHOLE_POWER; }

/* ---- forward ---- */

#define EACH for (int64_t n = 0; n < at.padded; n += LANES)
#define X load(x + n)
#define Y load(y + n)
#define W load(w + n)
#define PUT(formula) \
  EACH store(z + n, formula); \
  break
/* Functions of the C library are asked for what is wanted only. */
#define PUT_EACH(formula) \
  for (int64_t n = 0; n < at.valid; n++) z[n] = formula; \
  for (int64_t n = at.valid; n < at.padded; n++) z[n] = z[at.valid - 1]; \
  break

APART void forward(const struct tape *t, int64_t begin, int64_t end, struct place at) {
  for (int64_t i = begin; i < end; i++) {
    const struct step s = t->step[i];
    double *z = value(t, i, at.offset);
    const int reads = s.operation >= NOT;
    const double *x = reads ? value(t, s.a, at.offset) : NULL;
    const double *y = reads_b(s) ? value(t, s.b, at.offset) : NULL;
    const double *w = reads ? value(t, s.c, at.offset) : NULL;
    switch ((enum operation)s.operation) {
    case CONSTANT: {
      double x;
      memcpy(&x, &s.a, sizeof x);
      repeat(z, x, at.padded);
      break;
    }
    case SCALAR: repeat(z, t->scalar[s.a], at.padded); break;
    case ROW: fill(z, t->row + s.a * t->rows + at.first, at); break;
    case STOCK: fill(z, t->stock + s.a * t->points + at.first, at); break;
    case SEEN: fill(z, t->see + s.a * t->points + at.first, at); break;
    case NOT: PUT(flag(~(X > 0.5)));
    case AND: PUT(flag((X > 0.5) & (Y > 0.5)));
    case OR: PUT(flag((X > 0.5) | (Y > 0.5)));
    case LESS: PUT(flag(X < Y));
    case LESS_EQUAL: PUT(flag(X <= Y));
    case EQUAL: PUT(flag(X == Y));
    case NOT_EQUAL: PUT(flag(X != Y));
    case ADD: PUT(X + Y);
    case SUBTRACT: PUT(X - Y);
    case MULTIPLY: PUT(X * Y);
    case DIVIDE: PUT(X / Y);
    case POWER: PUT_EACH(pow(x[n], y[n]));
    case WHOLE_POWER: PUT(whole_power(X, s.b));
    case NEGATE: PUT(-X);
    case ABS: PUT((lanes)((marks)X & INT64_MAX));
    case MINIMUM: PUT(smaller(X, Y));
    case MAXIMUM: PUT(larger(X, Y));
    case SELECT: PUT(pick(X > 0.5, Y, W));
    case EXP: PUT(exponential(X));
    case LOG: PUT_EACH(log(x[n]));
    case SQRT: PUT_EACH(sqrt(x[n]));
    case TANH: PUT(hyperbolic_tangent(X));
    case OPERATIONS: break;
    }
  }
}

/* ---- backward ---- */

/* Add a share of the cotangent to an operand's. No cotangent is no share, whatever it is a share
 * of: what a formula does not choose cannot spoil its derivative. */
#define GIVE(operand, formula) \
  if (t->active[s.operand]) { \
    double *d = d_value(t, s.operand, at.offset); \
    EACH { \
      const lanes given = load(g + n); \
      const lanes share = formula; \
      store(d + n, load(d + n) + pick(given != 0.0, share, (lanes){0.0})); \
    } \
  }
#define GIVE_EACH(operand, formula) \
  if (t->active[s.operand]) { \
    double *d = d_value(t, s.operand, at.offset); \
    for (int64_t n = 0; n < at.valid; n++) { \
      const double given = g[n]; \
      if (given != 0.0) d[n] += formula; \
    } \
  }

/* Of a smaller or larger one's cotangent: all, or half where both are. */
INLINE lanes half_if_both(lanes given, lanes own, lanes other, lanes z) {
  return pick(own == z, pick(other == z, 0.5 * given, given), (lanes){0.0});
}

APART void backward(const struct tape *t, int64_t begin, int64_t end, struct place at) {
  for (int64_t i = end; i-- > begin;) {
    if (!t->active[i]) continue;
    const struct step s = t->step[i];
    const double *g = d_value(t, i, at.offset), *z = value(t, i, at.offset);
    const int reads = s.operation >= NOT;
    const double *x = reads ? value(t, s.a, at.offset) : NULL;
    const double *y = reads_b(s) ? value(t, s.b, at.offset) : NULL;
    switch ((enum operation)s.operation) {
    case SCALAR: t->d_scalar[s.a] += g[0]; break;
    case STOCK: {
      double *d = t->d_stock + s.a * t->points + at.first;
      for (int64_t n = 0; n < at.valid; n++) d[n] += g[n];
      break;
    }
    case ADD:
      GIVE(a, given)
      GIVE(b, given)
      break;
    case SUBTRACT:
      GIVE(a, given)
      GIVE(b, -given)
      break;
    case MULTIPLY:
      GIVE(a, given * Y)
      GIVE(b, given * X)
      break;
    case DIVIDE:
      GIVE(a, given / Y)
      GIVE(b, -given * X / (Y * Y))
      break;
    case POWER:
      GIVE_EACH(a, y[n] == 0.0 ? 0.0 : given * y[n] * pow(x[n], y[n] - 1.0))
      GIVE_EACH(b, given * (log(x[n] == 0.0 ? 1.0 : x[n]) * z[n]))
      break;
    case WHOLE_POWER:
      if (s.b != 0) GIVE(a, given * ((double)s.b * whole_power(X, s.b - 1)))
      break;
    case NEGATE:
      GIVE(a, -given)
      break;
    case ABS:
      GIVE(a, given * (pick(X > 0.0, (lanes){0.0} + 1.0, pick(X < 0.0, (lanes){0.0} - 1.0, X))))
      break;
    case MINIMUM:
    case MAXIMUM:
      GIVE(a, half_if_both(given, X, Y, load(z + n)))
      GIVE(b, half_if_both(given, Y, X, load(z + n)))
      break;
    case SELECT:
      GIVE(b, pick(X > 0.5, given, (lanes){0.0}))
      GIVE(c, pick(X > 0.5, (lanes){0.0}, given))
      break;
    case EXP:
      GIVE(a, given * load(z + n))
      break;
    case LOG:
      GIVE(a, given / X)
      break;
    case SQRT:
      GIVE(a, given * (0.5 / load(z + n)))
      break;
    case TANH:
      GIVE(a, given * (1.0 + load(z + n)) * (1.0 - load(z + n)))
      break;
    default: break; /* steps like comparisons have no derivative */
    }
  }
}

/* ---- over rows and points ---- */

static int64_t begin_of(const struct tape *t, enum class c) { return c ? t->end[c - 1] : 0; }

/* Where the values of a class lie: `stride` numbers each. */
static void lay(const struct tape *t, double **where, enum class c, double *memory, int64_t stride,
                int64_t moves) {
  for (int64_t i = begin_of(t, c), k = 0; i < t->end[c]; i++, k++)
    where[i] = memory + k * stride, t->moves[i] = moves;
}

static int64_t steps(const struct tape *t, enum class c) { return t->end[c] - begin_of(t, c); }

static void want_rows(struct tape *t) {
  const int64_t first = t->end[SAME], count = steps(t, BY_ROW);
  memset(t->wanted, 0, sizeof(int64_t) * (size_t)t->count);
  for (int64_t i = t->end[BY_POINT]; i < t->count; i++) {
    const struct step s = t->step[i];
    t->wanted[s.a] = t->wanted[s.c] = 1;
    if (reads_b(s)) t->wanted[s.b] = 1;
  }
  for (int64_t f = 0; f < t->results; f++) t->wanted[t->result[f]] = 1;
  t->wants = 0;
  for (int64_t k = 0; k < count; k++)
    if (t->wanted[first + k]) t->wanted[t->wants++] = k;
}

struct memory {
  int64_t rows;                                           /* padded */
  double *same, *by_row, *one_row, *by_point, *by_both;   /* values */
  double *d_same, *d_by_row, *d_one_row, *d_by_point, *d_by_both;
  void *all;
};

static int lend(struct tape *t, struct memory *m, int both) {
  memset(m, 0, sizeof *m);
  m->rows = (t->rows + BLOCK - 1) / BLOCK * BLOCK;
  const int64_t size[] = {steps(t, SAME) * BLOCK, steps(t, BY_ROW) * m->rows,
                          steps(t, BY_ROW) * BLOCK, steps(t, BY_POINT) * CHUNK,
                          (both ? steps(t, BY_BOTH) : t->slots) * BLOCK};
  double **part[] = {&m->same,   &m->by_row,   &m->one_row,   &m->by_point,   &m->by_both,
                     &m->d_same, &m->d_by_row, &m->d_one_row, &m->d_by_point, &m->d_by_both};
  int64_t total = 4 * t->count;
  for (int k = 0; k < (both ? 10 : 5); k++) total += size[k % 5];
  m->all = malloc(sizeof(double) * (size_t)(total + LANES));
  if (!m->all) return 0;
  double *next = m->all;
  for (int k = 0; k < (both ? 10 : 5); next += size[k % 5], k++) *part[k] = next;
  t->value = (double **)next, t->d_value = (double **)(next + t->count);
  t->moves = (int64_t *)(next + 2 * t->count), t->wanted = (int64_t *)(next + 3 * t->count);
  want_rows(t);
  return 1;
}

/* Everything that does not change with the point, and the layout of the rest. */
static void prepare(const struct tape *t, const struct memory *m, int both) {
  lay(t, t->value, SAME, m->same, BLOCK, 0);
  lay(t, t->value, BY_ROW, m->by_row, m->rows, 1);
  lay(t, t->value, BY_POINT, m->by_point, CHUNK, 1);
  lay(t, t->value, BY_BOTH, m->by_both, BLOCK, 0);
  if (!both)
    for (int64_t i = t->end[BY_POINT]; i < t->count; i++)
      t->value[i] = m->by_both + t->slot[i] * BLOCK;
  forward(t, 0, t->end[SAME], place(0, 0, 1, 1));
  for (int64_t i = 0; i < t->end[SAME]; i++) repeat(t->value[i], t->value[i][0], BLOCK);
  for (int64_t r = 0; r < t->rows; r += BLOCK)
    forward(t, t->end[SAME], t->end[BY_ROW], place(r, r, t->rows, BLOCK));
  lay(t, t->value, BY_ROW, m->one_row, BLOCK, 0);
}

/* Lay out one row's own numbers for blocks of points. */
static void take_row(const struct tape *t, const struct memory *m, int64_t r, int64_t width) {
  for (int64_t i = 0; i < t->wants; i++) {
    const int64_t k = t->wanted[i];
    repeat(m->one_row + k * BLOCK, m->by_row[k * m->rows + r], width);
  }
}

#define BLOCKS(first, last) \
  for (int64_t p = first; p < last; p += BLOCK)

static void all_forward(const struct tape *t, const struct memory *m) {
  prepare(t, m, 0);
  for (int64_t c = 0; c < t->points; c += CHUNK) {
    const int64_t end = least(c + CHUNK, t->points);
    BLOCKS(c, end) forward(t, t->end[BY_ROW], t->end[BY_POINT], place(p - c, p, end, BLOCK));
    for (int64_t r = 0; r < t->rows; r++) {
      take_row(t, m, r, least(padded(end - c), BLOCK));
      BLOCKS(c, end) {
        const struct place at = place(p - c, p, end, BLOCK);
        forward(t, t->end[BY_POINT], t->count, at);
        for (int64_t f = 0; f < t->results; f++)
          memcpy(t->out + (f * t->rows + r) * t->points + p, value(t, t->result[f], at.offset),
                 sizeof(double) * (size_t)at.valid);
      }
    }
  }
}

static void clear(double *x, int64_t count) { memset(x, 0, sizeof(double) * (size_t)count); }

static void all_backward(const struct tape *t, const struct memory *m) {
  prepare(t, m, 1);
  clear(t->d_scalar, t->scalars), clear(t->d_stock, t->stocks * t->points);
  clear(m->d_same, steps(t, SAME) * BLOCK), clear(m->d_by_row, steps(t, BY_ROW) * m->rows);
  lay(t, t->d_value, SAME, m->d_same, BLOCK, 0);
  lay(t, t->d_value, BY_ROW, m->d_one_row, BLOCK, 0);
  lay(t, t->d_value, BY_POINT, m->d_by_point, CHUNK, 1);
  lay(t, t->d_value, BY_BOTH, m->d_by_both, BLOCK, 0);
  for (int64_t c = 0; c < t->points; c += CHUNK) {
    const int64_t end = least(c + CHUNK, t->points), width = least(padded(end - c), BLOCK);
    BLOCKS(c, end) forward(t, t->end[BY_ROW], t->end[BY_POINT], place(p - c, p, end, BLOCK));
    clear(m->d_by_point, steps(t, BY_POINT) * CHUNK);
    for (int64_t r = 0; r < t->rows; r++) {
      take_row(t, m, r, width);
      for (int64_t i = 0; i < t->wants; i++) clear(m->d_one_row + t->wanted[i] * BLOCK, width);
      BLOCKS(c, end) {
        const struct place at = place(p - c, p, end, BLOCK);
        forward(t, t->end[BY_POINT], t->count, at);
        clear(m->d_by_both, steps(t, BY_BOTH) * BLOCK);
        for (int64_t f = 0; f < t->results; f++) {
          const double *given = t->cotangent + (f * t->rows + r) * t->points + p;
          double *d = d_value(t, t->result[f], at.offset);
          if (t->active[t->result[f]])
            for (int64_t n = 0; n < at.valid; n++) d[n] += given[n];
        }
        backward(t, t->end[BY_POINT], t->count, at);
      }
      for (int64_t i = 0; i < t->wants; i++) {
        const int64_t k = t->wanted[i];
        if (t->active[t->end[SAME] + k])
          m->d_by_row[k * m->rows + r] += sum(m->d_one_row + k * BLOCK, width);
      }
    }
    BLOCKS(c, end) backward(t, t->end[BY_ROW], t->end[BY_POINT], place(p - c, p, end, BLOCK));
  }
  lay(t, t->value, BY_ROW, m->by_row, m->rows, 1);
  lay(t, t->d_value, BY_ROW, m->d_by_row, m->rows, 1);
  for (int64_t r = 0; r < t->rows; r += BLOCK)
    backward(t, t->end[SAME], t->end[BY_ROW], place(r, r, t->rows, BLOCK));
  for (int64_t k = 0; k < t->end[SAME]; k++) {
    double *d = m->d_same + k * BLOCK;
    const double total = sum(d, BLOCK);
    clear(d, BLOCK);
    d[0] = total;
  }
  backward(t, 0, t->end[SAME], place(0, 0, 1, 1));
}

/* ---- the border with XLA ---- */

static const int32_t *list(const XLA_FFI_CallFrame *frame, const char *name, int64_t *count) {
  const XLA_FFI_Array *found = attribute(frame, name);
  if (!found || found->dtype != XLA_FFI_DataType_S32) return NULL;
  *count = (int64_t)found->size;
  return found->data;
}

/* Whether every step reads what comes before it and what is there. */
static int is_sound(const struct tape *t) {
  const int64_t there[] = {t->scalars, t->columns, t->stocks, t->seen};
  for (int64_t i = 0; i < t->count; i++) {
    const struct step s = t->step[i];
    if (s.operation < 0 || s.operation >= OPERATIONS || t->slot[i] < 0 || t->slot[i] >= t->slots)
      return 0;
    if (s.operation >= NOT) {
      const int64_t b = reads_b(s) ? s.b : s.a;
      if (s.a < 0 || s.a >= i || b < 0 || b >= i || s.c < 0 || s.c >= i) return 0;
    } else if (s.operation != CONSTANT && (s.a < 0 || s.a >= there[s.operation - SCALAR])) {
      return 0;
    }
  }
  for (int64_t f = 0; f < t->results; f++)
    if (t->result[f] < 0 || t->result[f] >= t->count) return 0;
  return 1;
}

/* Arguments: scalars [S], rows [column, R], stocks [K, N], seen [column, N]. Attributes: step
 * [4 a step], slot and active [step], result [F], and sizes: the classes' ends and the slots. */
static XLA_FFI_Error *read_tape(const XLA_FFI_CallFrame *frame, int arguments, int results,
                                struct tape *t) {
  memset(t, 0, sizeof *t);
  if (frame->args.size != arguments || frame->rets.size != results)
    return refuse(frame, "tape kernel: wrong number of buffers");
  int64_t steps = 0, slots = 0, actives = 0, sizes = 0;
  t->step = (const struct step *)list(frame, "step", &steps);
  t->slot = list(frame, "slot", &slots), t->active = list(frame, "active", &actives);
  t->result = list(frame, "result", &t->results);
  const int32_t *size = list(frame, "sizes", &sizes);
  const XLA_FFI_Buffer *scalar = argument(frame, 0), *row = argument(frame, 1);
  const XLA_FFI_Buffer *stock = argument(frame, 2), *see = argument(frame, 3);
  t->count = slots;
  if (!size || sizes != 5 || steps != 4 * slots || actives != slots ||
      !is(scalar, XLA_FFI_DataType_F64, 1) || !is(row, XLA_FFI_DataType_F64, 2) ||
      !is(stock, XLA_FFI_DataType_F64, 2) || !is(see, XLA_FFI_DataType_F64, 2) ||
      (see->dims[0] && see->dims[1] != stock->dims[1]))
    return refuse(frame, "tape kernel: steps and numbers do not fit");
  for (int c = 0; c < 4; c++) {
    t->end[c] = size[c];
    if (t->end[c] < begin_of(t, c)) return refuse(frame, "tape kernel: classes out of order");
  }
  t->slots = size[4];
  t->scalars = scalar->dims[0], t->columns = row->dims[0], t->rows = row->dims[1];
  t->stocks = stock->dims[0], t->points = stock->dims[1], t->seen = see->dims[0];
  t->scalar = scalar->data, t->row = row->data, t->stock = stock->data, t->see = see->data;
  if (t->end[BY_BOTH] != t->count || !is_sound(t))
    return refuse(frame, "tape kernel: a step reads what is not there");
  return NULL;
}

/* Result: [F, R, N]. */
XLA_FFI_Error *servanda_tape(XLA_FFI_CallFrame *frame) {
  if (answers_metadata(frame)) return NULL;
  struct tape t;
  struct memory m;
  XLA_FFI_Error *error = read_tape(frame, 4, 1, &t);
  if (error) return error;
  t.out = result(frame, 0)->data;
  if (!lend(&t, &m, 0)) return refuse(frame, "tape kernel: out of memory");
  all_forward(&t, &m);
  free(m.all);
  return NULL;
}

/* One more argument: the cotangent [F, R, N]. Results: cotangents of scalars and stocks. */
XLA_FFI_Error *servanda_tape_backward(XLA_FFI_CallFrame *frame) {
  if (answers_metadata(frame)) return NULL;
  struct tape t;
  struct memory m;
  XLA_FFI_Error *error = read_tape(frame, 5, 2, &t);
  if (error) return error;
  t.cotangent = argument(frame, 4)->data;
  t.d_scalar = result(frame, 0)->data, t.d_stock = result(frame, 1)->data;
  if (!lend(&t, &m, 1)) return refuse(frame, "tape kernel: out of memory");
  all_backward(&t, &m);
  free(m.all);
  return NULL;
}
