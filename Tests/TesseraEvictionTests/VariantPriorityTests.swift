// SPDX-License-Identifier: Apache-2.0

import TesseraEviction
import Testing

struct `priority of variants` {
    @Test func `grows faster for those that are cheap to fix, up to a bound`() {
        var (cheap, dear, perfect) = (VariantPriority(), VariantPriority(), VariantPriority())
        cheap.use(overhead: 0.1, at: 0)
        dear.use(overhead: 0.5, at: 0)
        perfect.use(overhead: 0, at: 0)
        #expect(
            abs(cheap.value(at: 0) - 10) < 1e-9 && abs(dear.value(at: 0) - 2) < 1e-9
                && abs(perfect.value(at: 0) - 20) < 1e-9)
    }

    @Test func `an old favourite leaves in the end`() {
        var (old, new) = (VariantPriority(), VariantPriority())
        for time in 0..<10 { old.use(overhead: 0.1, at: Double(time)) }
        new.use(overhead: 0.5, at: 8000)
        #expect(old.value(at: 1000) > 40 && old.value(at: 8000) < new.value(at: 8000))
    }
}
