/* When a cell lives on, and when one is born. */
#include "pipeline.h"

uint8_t rule_next(uint8_t alive, uint8_t neighbours)
{
    return (uint8_t)((neighbours == 3) | (alive & (neighbours == 2)));
}
