#version 450
#extension GL_KHR_cooperative_matrix : require

// Whether the compiler knows cooperative matrices: meson.build compiles this, and nobody runs it.
void main () {}
