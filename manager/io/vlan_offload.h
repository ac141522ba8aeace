// Receive-VLAN offload takes the tag out of a frame before XDP sees it: a tagged frame would be
// forwarded without its tag, into another network. So it is switched off where XDP is attached.
#pragma once

#include <string>

#include "base/result.h"

namespace xlb {

// Leaves VLAN tags in the frames that the interface receives, from now on and after xlb is gone. An
// interface that knows no such offload is fine; one that cannot do without it is an error.
Result<void> keep_vlan_tags(const std::string& interface);

}  // namespace xlb
