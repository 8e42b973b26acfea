// Ops that go over rows in pieces of 4 columns: a piece an invocation in x, a row a workgroup in y and z, so that any number of
// rows fits (dispatch_rows() in vk/ops_private.h).

uint piece () { return gl_GlobalInvocationID.x; }
uint row () { return gl_WorkGroupID.y + (gl_WorkGroupID.z << 15); }
