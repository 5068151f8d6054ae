/* Force-included everywhere: functions that have no place here. Use buf_addf, arena_printf, str_*. */
#pragma once
#ifndef __cplusplus
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
/* Fortified headers make macros of some under clang, and a macro cannot be poisoned. */
#undef sprintf
#undef vsprintf
#undef strcpy
#undef strcat
#pragma GCC poison sprintf vsprintf strcpy strcat strtok atoi atol atof gets localtime gmtime
#endif
