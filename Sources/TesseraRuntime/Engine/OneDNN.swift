// SPDX-License-Identifier: Apache-2.0

internal import COneDNN
internal import TesseraKV

/// oneDNN's matrix products: BF16 × BF16 → fp32 of packed weights on the calling thread's team, and fp32 of weights as
/// they lie. The only file that speaks to the library.
///
/// A product is made for the width of the team that it is first called with, which goes by its shape
/// (``ThreadTeam/product(rows:weights:_:)``).
///
/// A product of packed weights is made for an exact number of rows. On this library's BF16 path making one costs about 0.2 ms of which
/// most is generating code, while rounding the rows up to a multiple of 64 would cost up to 63 rows in every product of
/// every layer; so they are made exactly and kept. The layout of packed weights does not depend on the rows.
///
/// Not Sendable: an engine's thread owns it.
final class OneDNN {
    /// What a product is made for.
    private struct Shape: Hashable {
        var rows: Int, outputs: Int, inputs: Int, adding: Bool
    }

    private struct Product {
        let primitive: dnnl_primitive_t
        let source: dnnl_memory_desc_t, result: dnnl_memory_desc_t, scratch: dnnl_memory_desc_t
    }

    private let engine: dnnl_engine_t
    private let stream: dnnl_stream_t
    private var products: [Shape: Product] = [:]
    private let scratch = Scratch("a matrix product")

    /// So many products are kept; beyond that all are dropped, as prompts of ever new lengths come.
    private static let capacity = 512

    init() throws(TesseraError) {
        var engine: dnnl_engine_t?
        try check(dnnl_engine_create(&engine, dnnl_cpu, 0), "start")
        guard let engine else { throw TesseraError(.unsupported, "oneDNN has no processor engine here") }
        var stream: dnnl_stream_t?
        let status = dnnl_stream_create(&stream, engine, dnnl_stream_default_flags.rawValue)
        guard status == dnnl_success, let stream else {
            dnnl_engine_destroy(engine)
            throw TesseraError(.unsupported, "oneDNN could not open a stream (status \(status.rawValue))")
        }
        self.engine = engine
        self.stream = stream
    }

    deinit {
        dropProducts()
        dnnl_stream_destroy(stream)
        dnnl_engine_destroy(engine)
    }

    /// The layout in which products want weights of shape (outputs, inputs).
    func packedLayout(outputs: Int, inputs: Int) throws(TesseraError) -> dnnl_memory_desc_t {
        var any = try layout([inputs, outputs], dnnl_bf16, dnnl_format_tag_any)
        let shape = Shape(rows: 512, outputs: outputs, inputs: inputs, adding: false)
        let description = try describe(shape, weights: &any)
        defer { dnnl_primitive_desc_destroy(description) }
        return try queried(description, dnnl_query_weights_md)
    }

    /// Packs a run of the rows of a weight matrix into their place.
    ///
    /// - Parameters:
    ///   - plain: BF16 weights of shape (rows.count, inputs).
    ///   - rows: Which of the outputs they are; a run begins at a multiple of ``packingStep``.
    ///   - packed: The layout of the whole matrix.
    ///   - out: The memory of the whole matrix, zero where nothing was packed yet.
    func pack(
        _ plain: UnsafeMutablePointer<UInt16>, rows: Range<Int>, inputs: Int, as packed: dnnl_memory_desc_t,
        into out: UnsafeMutableRawPointer
    ) throws(TesseraError) {
        // The library speaks of a matrix (inputs, outputs); "ba" says that its second index runs slowest.
        var source = try layout([inputs, rows.count], dnnl_bf16, dnnl_ba)
        var whole = packed
        var target = dnnl_memory_desc_t()
        try withDimensions([inputs, rows.count]) { extents throws(TesseraError) in
            try withDimensions([0, rows.lowerBound]) { offsets throws(TesseraError) in
                try check(dnnl_memory_desc_init_submemory(&target, &whole, extents, offsets), "lay out packed weights")
            }
        }
        var description: dnnl_primitive_desc_t?
        try check(
            dnnl_reorder_primitive_desc_create(&description, &source, engine, &target, engine, nil), "pack weights")
        guard let description else { throw TesseraError(.unsupported, "oneDNN can't pack these weights") }
        defer { dnnl_primitive_desc_destroy(description) }
        var primitive: dnnl_primitive_t?
        try check(dnnl_primitive_create(&primitive, description), "pack weights")
        guard let primitive else { throw TesseraError(.unsupported, "oneDNN can't pack these weights") }
        defer { dnnl_primitive_destroy(primitive) }
        try execute(primitive, [(DNNL_ARG_FROM, source, UnsafeMutableRawPointer(plain)), (DNNL_ARG_TO, target, out)])
    }

    /// A multiple of every block of outputs that the library packs by (16, 32, 48 or 64).
    static let packingStep = 192

    /// The bytes that weights of this layout take.
    func byteCount(of layout: dnnl_memory_desc_t) -> Int {
        var layout = layout
        return dnnl_memory_desc_get_size(&layout)
    }

    /// result = source · weightsᵀ, or result += source · weightsᵀ where `adding`.
    ///
    /// The result is dense: for rows that lie further apart the library has only a slow product.
    func multiply(
        rows: Int, _ source: UnsafeRawPointer, weights: UnsafeMutableRawPointer, layout: dnnl_memory_desc_t,
        outputs: Int, inputs: Int, adding: Bool, into result: UnsafeMutablePointer<Float>
    ) throws(TesseraError) {
        let shape = Shape(rows: rows, outputs: outputs, inputs: inputs, adding: adding)
        let product = try product(shape, weights: layout)
        var needed = product.scratch
        let scratch = try scratch.reserve(dnnl_memory_desc_get_size(&needed), of: UInt8.self)
        try execute(
            product.primitive,
            [
                (DNNL_ARG_SRC, product.source, UnsafeMutableRawPointer(mutating: source)),
                (DNNL_ARG_WEIGHTS, layout, weights),
                (DNNL_ARG_DST, product.result, UnsafeMutableRawPointer(result)),
                (DNNL_ARG_SCRATCHPAD, needed, UnsafeMutableRawPointer(scratch)),
            ])
    }

    /// result = source · weightsᵀ, or result += source · weightsᵀ where `adding`, in fp32, of plain weights.
    ///
    /// Within a parallel part of the team it computes on the calling thread alone.
    ///
    /// - Parameter stride: Numbers from one row of the result to the next.
    static func multiply(
        rows: Int, _ source: UnsafePointer<Float>, weights: UnsafePointer<Float>, outputs: Int, inputs: Int,
        adding: Bool, into result: UnsafeMutablePointer<Float>, stride: Int
    ) {
        let status = dnnl_sgemm(
            CChar(UInt8(ascii: "N")), CChar(UInt8(ascii: "T")), dnnl_dim_t(rows), dnnl_dim_t(outputs),
            dnnl_dim_t(inputs), 1, source, dnnl_dim_t(inputs), weights, dnnl_dim_t(inputs), adding ? 1 : 0, result,
            dnnl_dim_t(stride))
        // It fails for shapes and strides that contradict each other alone.
        precondition(status == dnnl_success, "oneDNN refused a product of \(rows) × \(inputs) × \(outputs)")
    }

    private func product(_ shape: Shape, weights: dnnl_memory_desc_t) throws(TesseraError) -> Product {
        if let known = products[shape] { return known }
        if products.count >= Self.capacity { dropProducts() }
        var weights = weights
        let description = try describe(shape, weights: &weights)
        defer { dnnl_primitive_desc_destroy(description) }
        let source = try queried(description, dnnl_query_src_md)
        let result = try queried(description, dnnl_query_dst_md)
        let scratch = try queried(description, dnnl_query_scratchpad_md)
        var primitive: dnnl_primitive_t?
        try check(dnnl_primitive_create(&primitive, description), "make a matrix product")
        guard let primitive else { throw TesseraError(.unsupported, "oneDNN made no matrix product") }
        let made = Product(primitive: primitive, source: source, result: result, scratch: scratch)
        products[shape] = made
        return made
    }

    private func describe(
        _ shape: Shape, weights: inout dnnl_memory_desc_t
    ) throws(TesseraError) -> dnnl_primitive_desc_t {
        var source = try layout([shape.rows, shape.inputs], dnnl_bf16, dnnl_ab)
        var result = try layout([shape.rows, shape.outputs], dnnl_f32, dnnl_ab)
        var operation = dnnl_matmul_desc_t()
        try check(dnnl_matmul_desc_init(&operation, &source, &weights, nil, &result), "describe a matrix product")
        var attributes: dnnl_primitive_attr_t?
        try check(dnnl_primitive_attr_create(&attributes), "describe a matrix product")
        defer { dnnl_primitive_attr_destroy(attributes) }
        try check(dnnl_primitive_attr_set_scratchpad_mode(attributes, dnnl_scratchpad_mode_user), "set its scratch")
        if shape.adding {
            var steps: dnnl_post_ops_t?
            try check(dnnl_post_ops_create(&steps), "describe a sum")
            defer { dnnl_post_ops_destroy(steps) }
            try check(dnnl_post_ops_append_sum(steps, 1), "describe a sum")
            try check(dnnl_primitive_attr_set_post_ops(attributes, steps), "describe a sum")
        }
        var description: dnnl_primitive_desc_t?
        try check(
            dnnl_primitive_desc_create(&description, &operation, attributes, engine, nil), "describe a matrix product")
        guard let description else { throw TesseraError(.unsupported, "oneDNN has no BF16 matrix product here") }
        return description
    }

    private func queried(
        _ description: dnnl_primitive_desc_t, _ what: dnnl_query_t
    ) throws(TesseraError) -> dnnl_memory_desc_t {
        guard let layout = dnnl_primitive_desc_query_md(description, what, 0) else {
            throw TesseraError(.unsupported, "oneDNN does not say how it lays out a matrix product")
        }
        return layout.pointee
    }

    private func layout(
        _ extents: [Int], _ type: dnnl_data_type_t, _ tag: dnnl_format_tag_t
    ) throws(TesseraError) -> dnnl_memory_desc_t {
        var layout = dnnl_memory_desc_t()
        try withDimensions(extents) { extents throws(TesseraError) in
            try check(dnnl_memory_desc_init_by_tag(&layout, 2, extents, type, tag), "lay out a matrix")
        }
        return layout
    }

    private func execute(
        _ primitive: dnnl_primitive_t, _ operands: [(Int32, dnnl_memory_desc_t, UnsafeMutableRawPointer)]
    ) throws(TesseraError) {
        var arguments: [dnnl_exec_arg_t] = []
        defer { for argument in arguments { dnnl_memory_destroy(argument.memory) } }
        for (index, layout, place) in operands {
            var layout = layout
            var memory: dnnl_memory_t?
            try check(dnnl_memory_create(&memory, &layout, engine, place), "lend memory")
            arguments.append(dnnl_exec_arg_t(arg: index, memory: memory))
        }
        try check(dnnl_primitive_execute(primitive, stream, Int32(arguments.count), arguments), "compute")
        try check(dnnl_stream_wait(stream), "compute")
    }

    private func dropProducts() {
        for product in products.values { dnnl_primitive_destroy(product.primitive) }
        products = [:]
    }
}

private func check(_ status: dnnl_status_t, _ task: String) throws(TesseraError) {
    switch status {
    case dnnl_success: return
    case dnnl_out_of_memory: throw TesseraError(.full, "oneDNN had no memory to \(task)")
    case dnnl_unimplemented:
        throw TesseraError(.unsupported, "oneDNN can't \(task) on this processor; use precision fp32")
    default: throw TesseraError(.unsupported, "oneDNN could not \(task) (status \(status.rawValue))")
    }
}

/// Lends extents in the fixed-size form that the library takes.
private func withDimensions(
    _ extents: [Int], _ body: (UnsafePointer<dnnl_dim_t>) throws(TesseraError) -> Void
) throws(TesseraError) {
    var dimensions = [dnnl_dim_t](repeating: 0, count: Int(DNNL_MAX_NDIMS))
    for (index, extent) in extents.enumerated() { dimensions[index] = dnnl_dim_t(extent) }
    let result: Result<Void, TesseraError> = dimensions.withUnsafeBufferPointer { buffer in
        guard let start = buffer.baseAddress else { return .success(()) }
        do throws(TesseraError) { return .success(try body(start)) } catch { return .failure(error) }
    }
    try result.get()
}
