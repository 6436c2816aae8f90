// The C API of libunbound, for the module DNSResolver alone.
#include <unbound.h>
