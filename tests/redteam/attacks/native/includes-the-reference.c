/*
 * case: 27
 * row: 16
 * expect: zero build_failed
 * why: The preprocessor is told to read the reference.
 */
#include "solve.h"
#include "/solution/steps/01-passes/solve.c"
