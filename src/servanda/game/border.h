/* How is what XLA hands over read, and how is a call refused?
 *
 * Included by every compiled kernel.
 */

#pragma once

#include <stdint.h>
#include <string.h>

#include "xla/ffi/api/c_api.h"

#define INLINE static inline __attribute__((always_inline))

static inline XLA_FFI_Error *refuse(const XLA_FFI_CallFrame *frame, const char *message) {
  XLA_FFI_Error_Create_Args args;
  memset(&args, 0, sizeof args);
  args.struct_size = XLA_FFI_Error_Create_Args_STRUCT_SIZE;
  args.message = message;
  args.errc = XLA_FFI_Error_Code_INVALID_ARGUMENT;
  return frame->api->XLA_FFI_Error_Create(&args);
}

/* XLA asks each handler which version of the interface it was compiled for. */
static inline int answers_metadata(const XLA_FFI_CallFrame *frame) {
  XLA_FFI_Extension_Base *extension = frame->extension_start;
  if (extension == NULL || extension->type != XLA_FFI_Extension_Metadata) return 0;
  XLA_FFI_Metadata *metadata = ((XLA_FFI_Metadata_Extension *)extension)->metadata;
  metadata->api_version.major_version = XLA_FFI_API_MAJOR;
  metadata->api_version.minor_version = XLA_FFI_API_MINOR;
  metadata->traits = 0;
  return 1;
}

static inline const void *attribute(const XLA_FFI_CallFrame *frame, const char *name) {
  for (int64_t i = 0; i < frame->attrs.size; i++) {
    const XLA_FFI_ByteSpan *given = frame->attrs.names[i];
    if (given->len == strlen(name) && memcmp(given->ptr, name, given->len) == 0)
      return frame->attrs.attrs[i];
  }
  return NULL;
}

INLINE const XLA_FFI_Buffer *argument(const XLA_FFI_CallFrame *frame, int i) {
  return (const XLA_FFI_Buffer *)frame->args.args[i];
}
INLINE const XLA_FFI_Buffer *result(const XLA_FFI_CallFrame *frame, int i) {
  return (const XLA_FFI_Buffer *)frame->rets.rets[i];
}
INLINE int is(const XLA_FFI_Buffer *buffer, XLA_FFI_DataType dtype, int64_t rank) {
  return buffer->dtype == dtype && buffer->rank == rank;
}
