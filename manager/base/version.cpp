#include "base/version.h"

namespace xlb {

const char* const kVersion = XLB_VERSION;

}  // namespace xlb
