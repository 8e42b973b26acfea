/*
 * What every test that opens a device begins with.
 */
#ifndef TESTS_HARNESS_H
#define TESTS_HARNESS_H

#include "vk/memory.h"

/* g_test_init(), and the driver stays loaded until the process ends: lavapipe leaks once in vkCreateDevice, and LeakSanitizer
 * can only see that the memory is still reachable while the driver's own data is mapped. */
void harness_init (int *argc, char ***argv);

/* The device the tests run on (the default one), or the test ends with the error. options may be NULL. */
Device *harness_device (const DeviceOptions *options);

#endif
