// The version of xlbd_next, the build that the tests of an upgrade go on with.
#include "base/version.h"

namespace xlb {

const char* const kVersion = "0.0.0-next";

}  // namespace xlb
