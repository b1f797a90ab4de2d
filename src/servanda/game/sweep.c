/* What is every position of a group worth before the moves of a period, at compiled speed?
 *
 * In: mixed value functions on a grid, arrival points, flows, discount factors, and how sharply
 * each stage's player chooses. Out: values before the moves and the probability of every joint
 * move, or their adjoint. The meaning is that of choice.play after interpolate:
 *
 *     ahead[c] = sum over draws of weight * interpolated[c],
 *     Q[c] = flow[c, a, n] + discount[c] * ahead[c],   p = softmax(sharpness * Q[player]),
 *     W[c] = sum p Q[c],   stage by stage, the last first.
 *
 * Nodes are taken LANES at a time, and nothing of a block of nodes leaves the nearest cache until
 * its values are final: [R, C, A, N] arrays are neither written nor read (but by the adjoint, which
 * leaves the cotangent of what lies ahead to kernel.c). Compiled by native.py.
 */

/* Vectors wider than the machine's are slow: compilers take them apart badly. */
#ifdef __AVX512F__
#define LANES 8
#else
#define LANES 4
#endif
#include "kernel.h"

#include <math.h>
#include <stdlib.h>

enum { MOST_STAGES = 32 };

/* What the stages look like, and where everything is. Stage k leaves `entries[k]` of the
 * `entries[k + 1]` choices that it finds. */
struct play {
  struct job job;
  int64_t stages, size[MOST_STAGES], player[MOST_STAGES], entries[MOST_STAGES + 1];
  int64_t start[MOST_STAGES + 2]; /* of each level, when all are kept one after another */
  const double *flow, *discount, *sharpness;
  const double *draw;            /* [D] the weights of the draws */
  const double *open;            /* [S, masked, N] whether a stage's entry and option can be taken */
  int64_t masked, mask[MOST_STAGES]; /* where each stage's begin, -1: all are open */
  const int32_t *setting;        /* [R] which table of flows each row reads */
  int64_t settings;
  const double *given;           /* [R, A, N] probabilities that are not chosen but used */
  double *out, *joint;           /* [R, C, N] and [R, A, N]; joint may be missing */
  const double *d_out, *d_joint; /* cotangents of these */
  double *d_ahead;               /* [R, C, A, N] of what lies ahead */
  double *d_flow, *d_discount, *d_sharpness, *d_given;
  /* Of one block of nodes: [row, a, c], and by level [entry], [entry, c]. */
  lanes *payoff, *chance, *joined, *d_chance, *worth, *d_worth, *sum_discount, *sum_sharpness;
  struct term *terms; /* of one joint move, [draw and corner] */
};

/* A block of nodes: how many there are, and the rows that read its table. */
struct block {
  int64_t table, first, count, rows;
  const int64_t *row;
};

/* Flows of a row and joint move: [c] lie `moves * nodes` apart, nodes one after another. */
INLINE int64_t flow_at(const struct play *g, int64_t r, int64_t a) {
  const struct job *j = &g->job;
  return (g->setting[r] * j->channels * j->moves + a) * j->nodes;
}
INLINE const double *flow_of(const struct play *g, int64_t r, int64_t a) {
  return g->flow + flow_at(g, r, a);
}

INLINE lanes all(double x) { return (lanes){0.0} + x; }
INLINE lanes either(marks condition, lanes yes, lanes no) {
  return (lanes)(((marks)yes & condition) | ((marks)no & ~condition));
}

/* exp to the last bits, for x <= 0: 2^k times a Taylor polynomial on |r| <= ln 2 / 2. Below -708
 * it stays at the smallest normal number, NaN stays NaN. */
INLINE lanes exponential(lanes x) {
  x = either(x < all(-708.0), all(-708.0), x);
  const lanes shift = all(0x1.8p52);
  const lanes k = x * 0x1.71547652b82fep0 + shift; /* 1 / ln 2 */
  const lanes whole = k - shift;
  const lanes r = (x - whole * 0x1.62e42fee00000p-1) - whole * 0x1.a39ef35793c76p-33;
  static const double factor[] = {1.0 / 479001600, 1.0 / 39916800, 1.0 / 3628800, 1.0 / 362880,
                                  1.0 / 40320,     1.0 / 5040,     1.0 / 720,     1.0 / 120,
                                  1.0 / 24,        1.0 / 6,        0.5,           1.0};
  lanes y = all(factor[0]);
  UNROLL for (int i = 1; i < 12; i++) y = y * r + factor[i];
  y = y * r + 1.0;
  return (lanes)((marks)y + ((marks)k << 52));
}

/* Lanes of nodes that are not there repeat the first one; in cotangents they are zero. */
INLINE lanes read(const double *p, int64_t count) {
  if (count >= LANES) return *(const lanes *)p;
  lanes x;
  for (int64_t n = 0; n < LANES; n++) x[n] = p[n < count ? n : 0];
  return x;
}

INLINE lanes read_cotangent(const double *p, int64_t count) {
  if (count >= LANES) return *(const lanes *)p;
  lanes x = all(0.0);
  for (int64_t n = 0; n < count; n++) x[n] = p[n];
  return x;
}

INLINE void write(double *p, lanes x, int64_t count) {
  if (count >= LANES)
    *(lanes *)p = x;
  else
    for (int64_t n = 0; n < count; n++) p[n] = x[n];
}

INLINE void accumulate(double *p, lanes x, int64_t count) {
  if (count >= LANES)
    *(lanes *)p += x;
  else
    for (int64_t n = 0; n < count; n++) p[n] += x[n];
}

/* Four channels of one value function at a block's nodes go to `to` [c], as they are, or as
 * payoffs with the flow on top. */
INLINE void hand_over(const int payoffs, const struct play *g, vec value[LANES],
                      const double *flow, int64_t c, int64_t count, lanes *to) {
  const struct job *j = &g->job;
  const int64_t apart = j->moves * j->nodes;
  UNROLL for (int n = 0; n < LANES; n += 4) transpose(value + n);
  UNROLL for (int i = 0; i < 4; i++) {
    if (c + i >= j->channels) break;
    const double *own = flow + (c + i) * apart;
    lanes some;
    if (payoffs && count < LANES) some = read(own, count), own = (const double *)&some;
    /* Four nodes at a time: what has been written in parts is slow to read as a whole. */
    UNROLL for (int n = 0; n < LANES; n += 4) {
      vec x = value[n + i];
      if (payoffs) x = load(own + n) + g->discount[c + i] * x;
      *(vec *)((double *)(to + c + i) + n) = x;
    }
  }
}

enum { COLUMNS = SCHEME >= QUADRATIC ? 1 + K : 1 }; /* factors of a term */

/* Add a term to another at the nodes where both have the same corner, and leave nothing of it there;
 * returns whether nothing is left of it at all. */
INLINE int merge(struct term *into, struct term *from) {
  const marks same = *(const marks *)into->place == *(const marks *)from->place;
  UNROLL for (int c = 0; c < COLUMNS; c++) {
    lanes *mine = (lanes *)from->factor[c];
    *(lanes *)into->factor[c] += either(same, *mine, all(0.0));
    *mine = either(same, all(0.0), *mine);
  }
  int64_t every = -1;
  UNROLL for (int n = 0; n < LANES; n++) every &= same[n];
  return every != 0;
}

/* The terms of all draws at a block's nodes after one joint move; returns how many there are. Draws
 * next to each other often lie in the same cell: what they have in common becomes one term. */
INLINE int64_t weigh_draws(const struct play *g, const struct block *b, int64_t a) {
  const struct job *j = &g->job;
  int64_t count = 0, last[CORNERS]; /* the last term of each corner */
  for (int64_t d = 0; d < j->draws; d++) {
    lanes point[ROOM];
    const int64_t move = (b->table * j->draws + d) * j->moves + a;
    const double *points = j->points + move * j->nodes * j->coordinates + b->first;
    UNROLL for (int k = 0; k < K; k++) point[k] = read(points + j->axis[k], b->count);
    /* More streams than a processor follows by itself: ask for the next block's part of each. */
    UNROLL for (int k = 0; k < K; k++) __builtin_prefetch(points + j->axis[k] + LANES);
    struct term *own = g->terms + count;
    weigh(SCHEME, j, point, own);
    if (j->draws == 1) return CORNERS; /* it weighs one */
    for (int i = 0; i < CORNERS; i++) {
      UNROLL for (int c = 0; c < COLUMNS; c++) *(lanes *)own[i].factor[c] *= g->draw[d];
      if (d > 0 && merge(g->terms + last[i], own + i)) continue;
      if (g->terms + count != own + i) g->terms[count] = own[i];
      last[i] = count++;
    }
  }
  return count;
}

/* Every joint move of every row of a block: `payoff` [row, a, c]. Compiled once for all callers:
 * it is most of this file. */
static __attribute__((noinline)) void arrive_all(const int payoffs, const struct play *g,
                                                 const struct block *b) {
  const enum scheme scheme = SCHEME;
  const struct job *j = &g->job;
  const int64_t fours = (j->channels + 3) / 4, units = b->rows * fours;
  const int64_t width = scheme >= QUADRATIC ? 4 * (1 + K) : 4;
  for (int64_t a = 0; a < j->moves; a++) {
    const int64_t count = weigh_draws(g, b, a);
    /* A unit is one row's four channels. */
    for (int64_t first = 0; first < units; first += TOGETHER) {
      const int some = units - first < TOGETHER ? (int)(units - first) : TOGETHER;
      const double *rows[TOGETHER];
      vec value[TOGETHER][LANES];
      for (int q = 0; q < some; q++) {
        const int64_t r = b->row[(first + q) / fours];
        rows[q] = j->rows + j->pattern[r * j->moves + a] * j->grid * j->width +
                  (first + q) % fours * width;
      }
      add_up_some(scheme, some, g->terms, count, rows, value);
      for (int q = 0; q < some; q++) {
        const int64_t i = (first + q) / fours, r = b->row[i];
        const double *flow = flow_of(g, r, a) + b->first;
        hand_over(payoffs, g, value[q], flow, (first + q) % fours * 4, b->count,
                  g->payoff + (i * j->moves + a) * j->channels);
      }
    }
  }
}

/* Which entries and options of one stage are open at a block's nodes; none given: all. */
struct mask {
  const double *open; /* `apart` from one to the next */
  int64_t apart, count;
};

INLINE struct mask mask_of(const struct play *g, const struct block *b, int64_t r, int64_t k) {
  struct mask m = {NULL, g->job.nodes, b->count};
  if (g->mask[k] >= 0)
    m.open = g->open + (g->setting[r] * g->masked + g->mask[k]) * m.apart + b->first;
  return m;
}

INLINE marks is_open(const struct mask *m, int64_t i) {
  return read(m->open + i * m->apart, m->count) > 0.5;
}

/* The choices of one stage, for every entry: from payoffs [entry, option, c] to chances [entry,
 * option] and mean payoffs [entry, c], which may lie where the payoffs do. Step by step over all
 * entries, since one exponential has to wait for itself and many need not. */
INLINE void choose(int64_t entries, int64_t size, int64_t channels, int64_t player,
                   lanes sharpness, const struct mask *mask, const lanes *payoff, lanes *chance,
                   lanes *mean) {
  for (int64_t e = 0; e < entries; e++) {
    const lanes *own = payoff + e * size * channels + player;
    if (mask->open) {
      /* a closed option counts as the best one until exponentials are taken */
      lanes best = all(-INFINITY);
      for (int64_t s = 0; s < size; s++) {
        const lanes x = own[s * channels];
        best = either(is_open(mask, e * size + s) & (x > best), x, best);
      }
      for (int64_t s = 0; s < size; s++) {
        const lanes x = sharpness * (own[s * channels] - best);
        chance[e * size + s] = either(is_open(mask, e * size + s), x, all(0.0));
      }
      continue;
    }
    lanes best = own[0];
    for (int64_t s = 1; s < size; s++)
      best = either(own[s * channels] > best, own[s * channels], best);
    for (int64_t s = 0; s < size; s++)
      chance[e * size + s] = sharpness * (own[s * channels] - best);
  }
  int64_t at = 0;
  for (; at + 4 <= entries * size; at += 4)
    UNROLL for (int i = 0; i < 4; i++) chance[at + i] = exponential(chance[at + i]);
  for (; at < entries * size; at++) chance[at] = exponential(chance[at]);
  if (mask->open)
    for (int64_t i = 0; i < entries * size; i++)
      chance[i] = either(is_open(mask, i), chance[i], all(0.0));
  for (int64_t e = 0; e < entries; e++) {
    lanes total = chance[e * size];
    for (int64_t s = 1; s < size; s++) total += chance[e * size + s];
    total = 1.0 / total;
    for (int64_t s = 0; s < size; s++) chance[e * size + s] *= total;
    for (int64_t c = 0; c < channels; c++) {
      const lanes *one = payoff + e * size * channels + c;
      lanes sum = chance[e * size] * one[0];
      for (int64_t s = 1; s < size; s++) sum += chance[e * size + s] * one[s * channels];
      mean[e * channels + c] = sum;
    }
  }
}

/* Collapse the stages of one row in place; `payoff` [a, c] ends as [c]. */
INLINE void collapse(const struct play *g, int64_t r, const struct block *b, lanes *payoff) {
  const struct job *j = &g->job;
  const int64_t channels = j->channels;
  if (g->given) {
    const double *given = g->given + r * j->moves * j->nodes + b->first;
    for (int64_t a = 0; a < j->moves; a++) {
      const lanes p = read(given + a * j->nodes, b->count);
      for (int64_t c = 0; c < channels; c++)
        payoff[c] = p * payoff[a * channels + c] + (a ? payoff[c] : all(0.0));
    }
  } else {
    for (int64_t k = g->stages; k-- > 0;) {
      const struct mask mask = mask_of(g, b, r, k);
      choose(g->entries[k], g->size[k], channels, g->player[k], all(g->sharpness[k]), &mask, payoff,
             g->chance + g->start[k + 1], payoff);
    }
  }
  for (int64_t c = 0; c < channels; c++)
    write(g->out + (r * channels + c) * j->nodes + b->first, payoff[c], b->count);
}

/* From the chances of every stage to those of the choices so far, level by level. */
INLINE void join(const struct play *g) {
  g->joined[0] = all(1.0);
  for (int64_t k = 0; k < g->stages; k++)
    for (int64_t e = 0; e < g->entries[k]; e++)
      for (int64_t s = 0; s < g->size[k]; s++) {
        const int64_t at = g->start[k + 1] + e * g->size[k] + s;
        g->joined[at] = g->joined[g->start[k] + e] * g->chance[at];
      }
}

INLINE void forward(const struct play *g, const struct block *b) {
  const struct job *j = &g->job;
  arrive_all(1, g, b);
  for (int64_t i = 0; i < b->rows; i++) {
    const int64_t r = b->row[i];
    collapse(g, r, b, g->payoff + i * j->moves * j->channels);
    if (!g->joint) continue;
    join(g);
    for (int64_t a = 0; a < j->moves; a++)
      write(g->joint + (r * j->moves + a) * j->nodes + b->first,
            g->joined[g->start[g->stages] + a], b->count);
  }
}

/* ---- the adjoint ---- */

/* The cotangents of the payoffs of one move [c], done with: to flows, discounts and what lies
 * ahead. */
INLINE void hand_on(const struct play *g, const struct block *b, int64_t r, int64_t a,
                    const lanes *ahead, const lanes *d_payoff) {
  const struct job *j = &g->job;
  for (int64_t c = 0; c < j->channels; c++) {
    const int64_t there = flow_at(g, r, a) + c * j->moves * j->nodes + b->first;
    const int64_t here = ((r * j->channels + c) * j->moves + a) * j->nodes + b->first;
    accumulate(g->d_flow + there, d_payoff[c], b->count);
    if (g->d_ahead) write(g->d_ahead + here, g->discount[c] * d_payoff[c], b->count);
    g->sum_discount[c] += d_payoff[c] * ahead[c];
  }
}

/* Payoffs of every level of one row are kept in `worth`, from `ahead` [a, c]. */
INLINE void collapse_keeping(const struct play *g, const struct block *b, int64_t r,
                             const lanes *ahead) {
  const struct job *j = &g->job;
  const int64_t channels = j->channels;
  lanes *leaves = g->worth + g->start[g->stages] * channels;
  for (int64_t a = 0; a < j->moves; a++)
    for (int64_t c = 0; c < channels; c++) {
      const int64_t at = flow_at(g, r, a) + c * j->moves * j->nodes + b->first;
      leaves[a * channels + c] =
          read(g->flow + at, b->count) + g->discount[c] * ahead[a * channels + c];
    }
  for (int64_t k = g->stages; k-- > 0;) {
    const struct mask mask = mask_of(g, b, r, k);
    choose(g->entries[k], g->size[k], channels, g->player[k], all(g->sharpness[k]), &mask,
           g->worth + g->start[k + 1] * channels, g->chance + g->start[k + 1],
           g->worth + g->start[k] * channels);
  }
}

/* Cotangents of the joint probabilities, carried back to the chances of every stage. */
INLINE void unjoin(const struct play *g) {
  for (int64_t k = g->stages; k-- > 0;)
    for (int64_t e = 0; e < g->entries[k]; e++) {
      const int64_t up = g->start[k] + e, down = g->start[k + 1] + e * g->size[k];
      lanes sum = all(0.0);
      for (int64_t s = 0; s < g->size[k]; s++) {
        sum += g->chance[down + s] * g->d_chance[down + s];
        g->d_chance[down + s] *= g->joined[up];
      }
      g->d_chance[up] = sum;
    }
}

/* The adjoint of `choose`: `d_chance` comes from the joint probabilities and is used up. */
INLINE void unchoose(int64_t size, int64_t channels, int64_t player, lanes sharpness,
                     const lanes *payoff, const lanes *chance, lanes *d_chance,
                     const lanes *d_mean, lanes *d_payoff, lanes *d_sharpness) {
  lanes mean = all(0.0);
  for (int64_t s = 0; s < size; s++) {
    for (int64_t c = 0; c < channels; c++) {
      d_chance[s] += d_mean[c] * payoff[s * channels + c];
      d_payoff[s * channels + c] = chance[s] * d_mean[c];
    }
    mean += chance[s] * d_chance[s];
  }
  for (int64_t s = 0; s < size; s++) {
    const lanes push = chance[s] * (d_chance[s] - mean);
    d_payoff[s * channels + player] += sharpness * push;
    /* the pushes sum to zero, so any origin will do */
    *d_sharpness += push * (payoff[s * channels + player] - payoff[player]);
  }
}

INLINE void backward(const struct play *g, const struct block *b) {
  const struct job *j = &g->job;
  const int64_t channels = j->channels, leaf = g->start[g->stages];
  arrive_all(0, g, b);
  for (int64_t i = 0; i < b->rows; i++) {
    const int64_t r = b->row[i];
    const lanes *ahead = g->payoff + i * j->moves * channels;
    collapse_keeping(g, b, r, ahead);
    join(g);
    for (int64_t a = 0; a < j->moves; a++)
      g->d_chance[leaf + a] =
          g->d_joint ? read_cotangent(g->d_joint + (r * j->moves + a) * j->nodes + b->first, b->count)
                     : all(0.0);
    unjoin(g);
    for (int64_t c = 0; c < channels; c++)
      g->d_worth[c] = read_cotangent(g->d_out + (r * channels + c) * j->nodes + b->first, b->count);
    for (int64_t k = 0; k < g->stages; k++)
      for (int64_t e = 0; e < g->entries[k]; e++) {
        const int64_t down = g->start[k + 1] + e * g->size[k];
        unchoose(g->size[k], channels, g->player[k], all(g->sharpness[k]),
                 g->worth + down * channels, g->chance + down, g->d_chance + down,
                 g->d_worth + (g->start[k] + e) * channels, g->d_worth + down * channels,
                 g->sum_sharpness + k);
      }
    for (int64_t a = 0; a < j->moves; a++)
      hand_on(g, b, r, a, ahead + a * channels, g->d_worth + (leaf + a) * channels);
  }
}

/* The same with given probabilities: W = sum over a of given Q, and no stages. */
INLINE void backward_given(const struct play *g, const struct block *b) {
  const struct job *j = &g->job;
  const int64_t channels = j->channels;
  arrive_all(0, g, b);
  for (int64_t i = 0; i < b->rows; i++) {
    const int64_t r = b->row[i];
    for (int64_t a = 0; a < j->moves; a++) {
      const lanes *ahead = g->payoff + (i * j->moves + a) * channels;
      const int64_t at = (r * j->moves + a) * j->nodes + b->first;
      const lanes given = read(g->given + at, b->count);
      lanes sum = all(0.0);
      for (int64_t c = 0; c < channels; c++) {
        const int64_t there = flow_at(g, r, a) + c * j->moves * j->nodes + b->first;
        const lanes d = read_cotangent(g->d_out + (r * channels + c) * j->nodes + b->first, b->count);
        sum += d * (read(g->flow + there, b->count) + g->discount[c] * ahead[c]);
        g->d_worth[c] = given * d;
      }
      write(g->d_given + at, sum, b->count);
      hand_on(g, b, r, a, ahead, g->d_worth);
    }
  }
}

/* ---- all blocks ---- */

enum direction { FORWARD, BACKWARD, BACKWARD_GIVEN };

INLINE void pass(const enum direction direction, const struct play *g, int64_t *row) {
  const struct job *j = &g->job;
  for (int64_t u = 0; u < j->tables; u++) {
    struct block b = {.table = u, .row = row};
    for (int64_t r = 0; r < j->regimes; r++)
      if (j->table[r] == u) row[b.rows++] = r;
    if (b.rows == 0) continue;
    for (b.first = 0; b.first < j->nodes; b.first += LANES) {
      b.count = j->nodes - b.first < LANES ? j->nodes - b.first : LANES;
      if (direction == FORWARD) forward(g, &b);
      if (direction == BACKWARD) backward(g, &b);
      if (direction == BACKWARD_GIVEN) backward_given(g, &b);
    }
  }
}

/* The direction is a constant inside `pass`: inner loops are unrolled. */
INLINE void pass_by_scheme(enum scheme scheme, const enum direction direction,
                           const struct play *g, int64_t *row) {
  fill_rows(scheme, &g->job);
  pass(direction, g, row);
}

/* Memory for one block of nodes; it is small, and asked for once a sweep. */
static void *lend(struct play *g, int64_t **row) {
  const struct job *j = &g->job;
  const int64_t channels = j->channels, total = g->start[g->stages + 1];
  int64_t most = 0;
  for (int64_t u = 0; u < j->tables; u++) {
    int64_t rows = 0;
    for (int64_t r = 0; r < j->regimes; r++) rows += j->table[r] == u;
    if (rows > most) most = rows;
  }
  const int64_t terms = j->draws * CORNERS * (int64_t)(sizeof(struct term) / sizeof(lanes));
  const int64_t size = most * j->moves * channels + 3 * total + 2 * (total + 1) * channels +
                       channels + g->stages + terms + (j->regimes + LANES - 1) / LANES;
  lanes *memory = aligned_alloc(sizeof(lanes), sizeof(lanes) * (size_t)size), *next = memory;
  if (memory == NULL) return NULL;
  g->payoff = next, next += most * j->moves * channels;
  g->chance = next, next += total;
  g->joined = next, next += total;
  g->d_chance = next, next += total;
  g->worth = next, next += (total + 1) * channels;
  g->d_worth = next, next += (total + 1) * channels;
  g->sum_discount = next, next += channels;
  g->sum_sharpness = next, next += g->stages;
  g->terms = (struct term *)next, next += terms;
  *row = (int64_t *)next;
  for (int64_t c = 0; c < channels; c++) g->sum_discount[c] = all(0.0);
  for (int64_t k = 0; k < g->stages; k++) g->sum_sharpness[k] = all(0.0);
  return memory;
}

INLINE double sum(lanes x) {
  double total = 0.0;
  for (int n = 0; n < LANES; n++) total += x[n];
  return total;
}

/* ---- the border with XLA ---- */

/* Arguments: those of read_grid, points by stock; flow [S, C, A, N], which of them each row reads
 * [R], discount [C], sharpness [stage] or given probabilities [R, A, N], the weights of the draws [D],
 * and what is open [S, masked, N]; then cotangents. Attributes: those of read_grid, the stages' sizes
 * and players (the channel of the player's own total), and where among `masked` each stage's entries
 * and options begin (-1: all are open). */
static XLA_FFI_Error *read_play(const XLA_FFI_CallFrame *frame, int cotangents, int results,
                                struct play *g, enum scheme *scheme) {
  if (frame->args.size != 10 + cotangents || frame->rets.size != results)
    return refuse(frame, "sweep kernel: wrong number of buffers");
  memset(g, 0, sizeof *g);
  XLA_FFI_Error *error = read_grid(frame, result(frame, results - 1), &g->job, scheme);
  if (error) return error;
  const struct job *j = &g->job;
  const XLA_FFI_Array *sizes = attribute(frame, "sizes"), *players = attribute(frame, "players");
  const XLA_FFI_Array *masks = attribute(frame, "masks");
  if (!sizes || !players || !masks || sizes->size != players->size ||
      sizes->size != masks->size || masks->dtype != XLA_FFI_DataType_S64 || sizes->size > MOST_STAGES ||
      sizes->dtype != XLA_FFI_DataType_S64 || players->dtype != XLA_FFI_DataType_S64)
    return refuse(frame, "sweep kernel: sizes or players missing");
  g->stages = (int64_t)sizes->size;
  g->entries[0] = 1, g->start[0] = 0, g->start[1] = 1;
  for (int64_t k = 0; k < g->stages; k++) {
    g->size[k] = ((const int64_t *)sizes->data)[k];
    g->player[k] = ((const int64_t *)players->data)[k];
    g->entries[k + 1] = g->entries[k] * g->size[k];
    g->start[k + 2] = g->start[k + 1] + g->entries[k + 1];
    if (g->player[k] < 0 || g->player[k] >= j->channels)
      return refuse(frame, "sweep kernel: a player without a channel");
  }
  const XLA_FFI_Buffer *flow = argument(frame, 4), *setting = argument(frame, 5);
  const XLA_FFI_Buffer *discount = argument(frame, 6), *choice = argument(frame, 7);
  const XLA_FFI_Buffer *draw = argument(frame, 8);
  const int chosen = is(choice, XLA_FFI_DataType_F64, 1);
  if (j->stride != 1 && j->coordinates > 1)
    return refuse(frame, "sweep kernel: points must come by stock");
  if (!is(draw, XLA_FFI_DataType_F64, 1) || draw->dims[0] != j->draws || j->draws < 1)
    return refuse(frame, "sweep kernel: draws do not fit the points");
  if (!is(flow, XLA_FFI_DataType_F64, 4) || !is(setting, XLA_FFI_DataType_S32, 1) ||
      setting->dims[0] != j->regimes || flow->dims[1] != j->channels || flow->dims[2] != j->moves || flow->dims[3] != j->nodes ||
      !is(discount, XLA_FFI_DataType_F64, 1) || discount->dims[0] != j->channels ||
      (chosen && (choice->dims[0] != g->stages || g->entries[g->stages] != j->moves)) ||
      (!chosen && (!is(choice, XLA_FFI_DataType_F64, 3) || choice->dims[0] != j->regimes ||
                   choice->dims[1] != j->moves || choice->dims[2] != j->nodes)))
    return refuse(frame, "sweep kernel: flows, discounts or choices do not fit the game");
  const XLA_FFI_Buffer *open = argument(frame, 9);
  if (!is(open, XLA_FFI_DataType_F64, 3))
    return refuse(frame, "sweep kernel: what is open does not fit the game");
  g->open = open->data, g->masked = open->dims[1];
  for (int64_t k = 0; k < g->stages; k++) {
    g->mask[k] = ((const int64_t *)masks->data)[k];
    if (g->mask[k] >= 0 &&
        (g->mask[k] + g->entries[k + 1] > g->masked || open->dims[0] != flow->dims[0] ||
         open->dims[2] != j->nodes))
      return refuse(frame, "sweep kernel: what is open does not fit the game");
  }
  g->flow = flow->data, g->setting = setting->data, g->settings = flow->dims[0];
  g->discount = discount->data, g->draw = draw->data;
  for (int64_t r = 0; r < j->regimes; r++)
    if (g->setting[r] < 0 || g->setting[r] >= g->settings)
      return refuse(frame, "sweep kernel: a row reads flows that are not there");
  if (chosen)
    g->sharpness = choice->data;
  else
    g->given = choice->data;
  return NULL;
}

static XLA_FFI_Error *out_of_memory(const XLA_FFI_CallFrame *frame) {
  return refuse(frame, "sweep kernel: out of memory");
}

/* Results: values [R, C, N], joint probabilities [R, A, N] or an empty buffer, the rows. */
XLA_FFI_Error *servanda_sweep(XLA_FFI_CallFrame *frame) {
  if (answers_metadata(frame)) return NULL;
  struct play g;
  enum scheme scheme;
  int64_t *row;
  XLA_FFI_Error *error = read_play(frame, 0, 3, &g, &scheme);
  if (error) return error;
  g.out = result(frame, 0)->data;
  g.joint = result(frame, 1)->dims[0] ? result(frame, 1)->data : NULL;
  void *memory = lend(&g, &row);
  if (!memory) return out_of_memory(frame);
  pass_by_scheme(scheme, FORWARD, &g, row);
  free(memory);
  return NULL;
}

static void begin(const struct play *g) {
  const struct job *j = &g->job;
  memset(g->d_flow, 0, sizeof(double) * (size_t)(g->settings * j->channels * j->moves * j->nodes));
  if (g->d_given)
    memset(g->d_given, 0, sizeof(double) * (size_t)(j->regimes * j->moves * j->nodes));
}

static void end(const struct play *g, void *memory) {
  for (int64_t c = 0; c < g->job.channels; c++) g->d_discount[c] = sum(g->sum_discount[c]);
  if (g->d_sharpness)
    for (int64_t k = 0; k < g->stages; k++) g->d_sharpness[k] = sum(g->sum_sharpness[k]);
  free(memory);
}

/* More arguments: cotangents of values and joint probabilities (or empty). Results: cotangents of
 * what lies ahead [R, C, A, N], flow, discount and sharpness; the rows. */
XLA_FFI_Error *servanda_sweep_backward(XLA_FFI_CallFrame *frame) {
  if (answers_metadata(frame)) return NULL;
  struct play g;
  enum scheme scheme;
  int64_t *row;
  XLA_FFI_Error *error = read_play(frame, 2, 5, &g, &scheme);
  if (error) return error;
  if (!g.sharpness) return refuse(frame, "sweep kernel: no sharpness");
  g.d_out = argument(frame, 10)->data;
  g.d_joint = argument(frame, 11)->dims[0] ? argument(frame, 11)->data : NULL;
  g.d_ahead = result(frame, 0)->data, g.d_flow = result(frame, 1)->data;
  g.d_discount = result(frame, 2)->data, g.d_sharpness = result(frame, 3)->data;
  void *memory = lend(&g, &row);
  if (!memory) return out_of_memory(frame);
  begin(&g);
  pass_by_scheme(scheme, BACKWARD, &g, row);
  end(&g, memory);
  return NULL;
}

/* One more argument: the cotangent of the values. Results: cotangents of the given probabilities,
 * of flow and of discount; the rows. */
XLA_FFI_Error *servanda_evaluate_backward(XLA_FFI_CallFrame *frame) {
  if (answers_metadata(frame)) return NULL;
  struct play g;
  enum scheme scheme;
  int64_t *row;
  XLA_FFI_Error *error = read_play(frame, 1, 4, &g, &scheme);
  if (error) return error;
  if (!g.given) return refuse(frame, "sweep kernel: no probabilities given");
  g.d_out = argument(frame, 10)->data;
  g.d_given = result(frame, 0)->data, g.d_flow = result(frame, 1)->data;
  g.d_discount = result(frame, 2)->data;
  void *memory = lend(&g, &row);
  if (!memory) return out_of_memory(frame);
  begin(&g);
  pass_by_scheme(scheme, BACKWARD_GIVEN, &g, row);
  end(&g, memory);
  return NULL;
}
