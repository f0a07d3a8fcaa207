// SPDX-License-Identifier: Apache-2.0

import Tessera

print("Tessera is linked.")
