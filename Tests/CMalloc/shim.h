// mallinfo2, for tests that count memory.
#include <malloc.h>
