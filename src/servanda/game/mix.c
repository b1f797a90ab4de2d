/* What is the next period worth, before it is known what will be noticed, at compiled speed?
 *
 * In: value functions on the grid, and for every row, pattern of breaches and branch of the phases
 * the place that each event leads to, and the event's probability. Out: their mixtures; or the
 * cotangents of values and of probabilities. Most events cannot happen: those are not read.
 * Compiled once for a machine by native.py; single threaded.
 */

#include "border.h"

struct mix {
  int64_t places, nodes, patterns, branches, events; /* nodes: grid points times channels */
  const double *value, *chance, *cotangent;
  const int32_t *place;
  double *out;
};

/* Arguments: values [place, G, C], probabilities [row, pattern, event], places [row, pattern,
 * branch, event], and going backward cotangents [row, pattern, branch, G, C]. */
static XLA_FFI_Error *read_mix(const XLA_FFI_CallFrame *frame, int arguments, struct mix *m) {
  if (frame->args.size != arguments || frame->rets.size != 1)
    return refuse(frame, "mix kernel: wrong number of buffers");
  const XLA_FFI_Buffer *value = argument(frame, 0), *chance = argument(frame, 1);
  const XLA_FFI_Buffer *place = argument(frame, 2);
  if (!is(value, XLA_FFI_DataType_F64, 3) || !is(chance, XLA_FFI_DataType_F64, 3) ||
      !is(place, XLA_FFI_DataType_S32, 4) || chance->dims[0] != place->dims[0] ||
      chance->dims[1] != place->dims[1] || chance->dims[2] != place->dims[3])
    return refuse(frame, "mix kernel: values and probabilities do not fit");
  m->places = value->dims[0], m->nodes = value->dims[1] * value->dims[2];
  m->patterns = place->dims[0] * place->dims[1];
  m->branches = place->dims[2], m->events = place->dims[3];
  m->value = value->data, m->chance = chance->data, m->place = place->data;
  m->cotangent = arguments > 3 ? argument(frame, 3)->data : NULL;
  m->out = result(frame, 0)->data;
  for (int64_t i = 0; i < m->patterns * m->branches * m->events; i++)
    if (m->place[i] < 0 || m->place[i] >= m->places)
      return refuse(frame, "mix kernel: a place that is not there");
  return NULL;
}

#define EACH(m) \
  for (int64_t p = 0; p < (m).patterns; p++) \
    for (int64_t b = 0; b < (m).branches; b++) \
      for (int64_t e = 0; e < (m).events; e++)
#define MIXTURE(m) ((p * (m).branches + b) * (m).nodes)
#define PLACE(m) ((m).place[(p * (m).branches + b) * (m).events + e] * (m).nodes)
#define CHANCE(m) (p * (m).events + e)

static void add(double *restrict to, const double *restrict from, double share, int64_t count) {
  for (int64_t i = 0; i < count; i++) to[i] += share * from[i];
}

static void clear(double *x, int64_t count) { memset(x, 0, sizeof(double) * (size_t)count); }

/* Result: [row, pattern, branch, G, C]. */
XLA_FFI_Error *servanda_mix(XLA_FFI_CallFrame *frame) {
  if (answers_metadata(frame)) return NULL;
  struct mix m;
  XLA_FFI_Error *error = read_mix(frame, 3, &m);
  if (error) return error;
  clear(m.out, m.patterns * m.branches * m.nodes);
  EACH(m) {
    const double share = m.chance[CHANCE(m)];
    if (share != 0.0) add(m.out + MIXTURE(m), m.value + PLACE(m), share, m.nodes);
  }
  return NULL;
}

/* Result: the cotangent of values. */
XLA_FFI_Error *servanda_mix_backward(XLA_FFI_CallFrame *frame) {
  if (answers_metadata(frame)) return NULL;
  struct mix m;
  XLA_FFI_Error *error = read_mix(frame, 4, &m);
  if (error) return error;
  clear(m.out, m.places * m.nodes);
  EACH(m) {
    const double share = m.chance[CHANCE(m)];
    if (share != 0.0) add(m.out + PLACE(m), m.cotangent + MIXTURE(m), share, m.nodes);
  }
  return NULL;
}

/* Result: the cotangent of probabilities. */
XLA_FFI_Error *servanda_mix_chances(XLA_FFI_CallFrame *frame) {
  if (answers_metadata(frame)) return NULL;
  struct mix m;
  XLA_FFI_Error *error = read_mix(frame, 4, &m);
  if (error) return error;
  clear(m.out, m.patterns * m.events);
  EACH(m) {
    const double *value = m.value + PLACE(m), *given = m.cotangent + MIXTURE(m);
    double total = 0.0;
    for (int64_t i = 0; i < m.nodes; i++) total += value[i] * given[i];
    m.out[CHANCE(m)] += total;
  }
  return NULL;
}
