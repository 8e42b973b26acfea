// Ops that go over rows quad by quad (4 columns of 4 bytes): a quad an invocation in x, a row a workgroup in y and z, so that any
// number of rows fits (dispatch_rows() in vk/ops_private.h).

uint quad () { return gl_GlobalInvocationID.x; }
uint row () { return gl_WorkGroupID.y + (gl_WorkGroupID.z << ROW_BITS); }
