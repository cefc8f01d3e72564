#include "monitor/fsm/heart.h"
