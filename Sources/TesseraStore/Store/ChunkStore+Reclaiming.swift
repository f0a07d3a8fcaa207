// SPDX-License-Identifier: Apache-2.0

internal import TesseraKV

extension ChunkStore {
    /// Gives back to the disk what removed records took: deletes segments of which no record is left and frees the
    /// blocks of holes in others.
    ///
    /// It comes after the commit that removed the records. What can't be done now, because a reader holds a lease or
    /// the disk refuses, is tried again after the next removal and when the store is opened.
    func reclaim(_ session: StoreSession, _ ledger: inout Ledger) {
        do {
            for segment in ledger.dead {
                try session.files.delete(segment)
                ledger.deleted(segment)
            }
            for hole in ledger.holes {
                switch try session.files.punch(hole) {
                case .done:
                    ledger.filled(hole)
                    ledger.measured(hole.place.segment, session.files.measure(hole.place.segment))
                case .inUse: continue
                case .unsupported: return
                }
            }
        } catch {
            note("couldn't free the blocks of removed records, which the next opening does: \(error)")
        }
    }
}
