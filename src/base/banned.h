/* Force-included everywhere: functions that have no place here. Use buf_addf, arena_printf, str_*. */
#pragma once
#ifndef __cplusplus
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#pragma GCC poison sprintf vsprintf strcpy strcat strtok atoi atol atof gets localtime gmtime
#endif
