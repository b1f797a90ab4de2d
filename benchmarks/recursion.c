/* How fast can one thread run a backward induction, written by hand?
 *
 * In: the tables of one game (corner indices and weights of the arrival points, flows, breach
 * probabilities). Out: every party's value at the start, in both regimes, at every grid point.
 * This is the yardstick for the JAX solver; recursion_numpy.py makes the tables, compiles this
 * file and compares. Compile with: cc -O3 -march=native -ffast-math -shared -fPIC -lm
 *
 * The game: 3 parties; two movers a period, the second seeing the first; 3 x 4 joint moves; two
 * regimes, in force (0) and broken (1); a breach in force leads to broken with the given
 * probability. Choice is logit: p(a) ~ exp(sharpness * Q(a)).
 */

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { PARTIES = 3, FIRST = 3, SECOND = 4, MOVES = FIRST * SECOND, REGIMES = 2, CORNERS = 16 };
enum { LANE = 4 };  /* values of a regime lie side by side, padded to a vector */
enum { BLOCK = 32 }; /* nodes whose payoffs are kept at hand at once */

/* Expected value of every party, in both regimes, after each move from a block of nodes. */
static void arrive(int64_t nodes, int64_t start, int64_t count, const int32_t *index,
                   const double *weight, const double *values,
                   double after[REGIMES][MOVES][PARTIES][BLOCK]) {
  for (int a = 0; a < MOVES; a++)
    for (int64_t n = 0; n < count; n++) {
      const int64_t place = (a * nodes + start + n) * CORNERS;
      double sum[REGIMES * LANE] = {0.0};
      for (int c = 0; c < CORNERS; c++) {
        const double w = weight[place + c];
        const double *row = values + (int64_t)index[place + c] * REGIMES * LANE;
        for (int i = 0; i < REGIMES * LANE; i++) sum[i] += w * row[i];
      }
      for (int r = 0; r < REGIMES; r++)
        for (int i = 0; i < PARTIES; i++) after[r][a][i][n] = sum[r * LANE + i];
    }
}

/* The second mover chooses, then the first; all parties' payoffs are averaged alike. */
static void choose(double payoff[MOVES][PARTIES][BLOCK], const int64_t mover[2],
                   const double sharpness[2], double value[PARTIES][BLOCK]) {
  double reply[FIRST][PARTIES][BLOCK];
  for (int f = 0; f < FIRST; f++) {
    double(*options)[PARTIES][BLOCK] = &payoff[f * SECOND];
    for (int n = 0; n < BLOCK; n++) {
      double best = options[0][mover[1]][n];
      for (int s = 1; s < SECOND; s++) best = fmax(best, options[s][mover[1]][n]);
      double total = 0.0, sum[PARTIES] = {0.0};
      for (int s = 0; s < SECOND; s++) {
        const double p = exp(sharpness[1] * (options[s][mover[1]][n] - best));
        total += p;
        for (int i = 0; i < PARTIES; i++) sum[i] += p * options[s][i][n];
      }
      for (int i = 0; i < PARTIES; i++) reply[f][i][n] = sum[i] / total;
    }
  }
  for (int n = 0; n < BLOCK; n++) {
    double best = reply[0][mover[0]][n];
    for (int f = 1; f < FIRST; f++) best = fmax(best, reply[f][mover[0]][n]);
    double total = 0.0, sum[PARTIES] = {0.0};
    for (int f = 0; f < FIRST; f++) {
      const double p = exp(sharpness[0] * (reply[f][mover[0]][n] - best));
      total += p;
      for (int i = 0; i < PARTIES; i++) sum[i] += p * reply[f][i][n];
    }
    for (int i = 0; i < PARTIES; i++) value[i][n] = sum[i] / total;
  }
}

/* nodes: grid points. periods: sweeps back from a terminal value of zero.
 * index, weight: [MOVES, nodes, CORNERS]. flow: [REGIMES, MOVES, PARTIES, nodes].
 * breach: [MOVES], the probability that a move in force ends it. patience: [PARTIES].
 * mover: who moves first and second. sharpness: acuity over stakes of those two.
 * result: [REGIMES, PARTIES, nodes]. Returns 0, or 1 if memory runs out. */
int recursion(int64_t nodes, int64_t periods, const int32_t *index, const double *weight,
              const double *flow, const double *breach, const double *patience,
              const int64_t mover[2], const double sharpness[2], double *result) {
  const size_t size = (size_t)nodes * REGIMES * LANE;
  double *now = calloc(size, sizeof *now), *next = calloc(size, sizeof *next);
  if (!now || !next) {
    free(now), free(next);
    return 1;
  }
  static _Thread_local double after[REGIMES][MOVES][PARTIES][BLOCK], payoff[MOVES][PARTIES][BLOCK];
  double value[PARTIES][BLOCK];
  for (int64_t t = 0; t < periods; t++) {
    for (int64_t start = 0; start < nodes; start += BLOCK) {
      const int64_t count = nodes - start < BLOCK ? nodes - start : BLOCK;
      arrive(nodes, start, count, index, weight, next, after);
      for (int r = 0; r < REGIMES; r++) {
        for (int a = 0; a < MOVES; a++) {
          const double stay = r == 0 ? 1.0 - breach[a] : 0.0;
          for (int i = 0; i < PARTIES; i++) {
            const double *here = flow + ((r * MOVES + a) * PARTIES + i) * nodes + start;
            for (int64_t n = 0; n < count; n++)
              payoff[a][i][n] = here[n] + patience[i] * (stay * after[0][a][i][n] +
                                                         (1.0 - stay) * after[1][a][i][n]);
          }
        }
        choose(payoff, mover, sharpness, value);
        for (int64_t n = 0; n < count; n++)
          for (int i = 0; i < PARTIES; i++)
            now[((start + n) * REGIMES + r) * LANE + i] = value[i][n];
      }
    }
    double *swap = now;
    now = next, next = swap;
  }
  for (int r = 0; r < REGIMES; r++)
    for (int i = 0; i < PARTIES; i++)
      for (int64_t n = 0; n < nodes; n++)
        result[(r * PARTIES + i) * nodes + n] = next[(n * REGIMES + r) * LANE + i];
  free(now), free(next);
  return 0;
}
