/* Push constants, one struct a shader: read by C and by GLSL. Words only. */
#ifndef SHADERS_PARAMS_H
#define SHADERS_PARAMS_H

#ifdef __STDC__
#include <stdint.h>
typedef uint32_t uint;
#endif

struct MatmulPush
{
  uint m, n;
  uint k;               /* padded to 32 */
  uint x_first, x_stride, y_first, y_stride;    /* elements */
  uint residual_first, residual_stride, residual_period;
  uint row_first;       /* first row of this dispatch, of a long op cut in pieces */
  uint n_first;         /* first weight row of the bound window */
};

#endif
