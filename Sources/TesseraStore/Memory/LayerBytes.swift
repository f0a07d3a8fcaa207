// SPDX-License-Identifier: Apache-2.0

/// Layers of one record in memory, verified.
struct LayerBytes: Sendable {
    private let memory: LayerMemory
    /// Where each layer lies in the memory.
    private let places: [Range<Int>]

    init(_ memory: LayerMemory, at places: [Range<Int>]) {
        (self.memory, self.places) = (memory, places)
    }

    /// The memory that it all takes.
    var footprint: Int { memory.bytes.count }

    /// Calls `body` with the bytes of a layer, counted from the first that is here.
    func withLayer<Result, Failure: Error>(
        _ layer: Int, _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try withExtendedLifetime(memory) { () throws(Failure) in
            try body(UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(memory.bytes)[places[layer]]))
        }
    }
}
