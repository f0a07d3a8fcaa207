// SPDX-License-Identifier: Apache-2.0

public import TesseraCompression
public import TesseraKV

/// A way to make keys and values smaller, as the bench compares them.
public struct CompressionMethod: Sendable {
    /// What is done.
    enum Work: Sendable {
        /// Tokens are left out.
        case press(PressPlan)
        /// Numbers are rounded, context by context, as the store does it.
        case codec(any KVCodec)
    }

    /// The method's name in tables.
    public let name: String
    let work: Work

    /// A press.
    ///
    /// - Parameter name: The name in tables; nil for the plan's own.
    public init(_ plan: PressPlan, name: String? = nil) {
        self.name = name ?? plan.name
        work = .press(plan)
    }

    /// A codec.
    ///
    /// - Parameter name: The name in tables; nil for the codec's own.
    public init(_ codec: any KVCodec, name: String? = nil) {
        self.name = name ?? codec.name
        work = .codec(codec)
    }

    /// The budget's label; nil for a codec.
    var budget: String? {
        if case .press(let plan) = work { plan.budget.label } else { nil }
    }

    /// What it has to see.
    var needs: PressNeeds {
        if case .press(let plan) = work { plan.press.needs } else { PressNeeds() }
    }
}

extension CompressionMethod {
    /// The presses that are compared where the question is known, at each budget: those that look from it, controls,
    /// and each half of CompressKV by itself.
    ///
    /// - Parameter frames: Whether prompts show screenshots.
    static func questionKnown(
        budgets: [PressBudget], assets: HeadAssets?, frames: Bool
    ) throws(TesseraError) -> [CompressionMethod] {
        var names = ["snapkv", "pyramidkv", "tova", "h2o", "streamingllm", "random"]
        if assets != nil { names.insert("compresskv", at: 0) }
        if frames { names.insert("gui-kv", at: 0) }
        var methods = try list(names, budgets, assets)
        for budget in budgets {
            if let assets { methods += parts(of: assets, budget) }
            if frames {
                methods.append(
                    CompressionMethod(PressPlan(GUIKVPress.published, budget: budget), name: "gui-kv, as published"))
            }
            methods.append(
                CompressionMethod(
                    PressPlan(SnapKVPress(), budget: budget, agreement: .layer, merges: true),
                    name: "snapkv, merging (Elastic Cache)"))
        }
        return methods
    }

    /// Each half of CompressKV by itself, and the whole with the paper's numbers: its window, its smoothing, its bounds and
    /// its error of a layer.
    private static func parts(of assets: HeadAssets, _ budget: PressBudget) -> [CompressionMethod] {
        let published = PressPlan(
            CompressKVPress(heads: assets.heads(), window: 8, kernel: 5), budget: budget,
            layers: ErrorBudget(errors: assets.outputErrors, least: 32, most: 3))
        return [
            CompressionMethod(
                PressPlan(CompressKVPress(heads: assets.heads()), budget: budget), name: "compresskv, heads only"),
            CompressionMethod(
                PressPlan(SnapKVPress(), budget: budget, layers: ErrorBudget(errors: assets.errors)),
                name: "compresskv, budgets only"),
            CompressionMethod(published, name: "compresskv, as published"),
        ]
    }

    /// The presses that are compared where no question is known, at each budget.
    static func questionWithheld(budgets: [PressBudget]) throws(TesseraError) -> [CompressionMethod] {
        try list(["kvzip", "expected", "keydiff", "lagkv", "h2o", "snapkv", "streamingllm", "random"], budgets, nil)
    }

    private static func list(
        _ names: [String], _ budgets: [PressBudget], _ assets: HeadAssets?
    ) throws(TesseraError) -> [CompressionMethod] {
        var methods: [CompressionMethod] = []
        for name in names {
            for budget in budgets {
                methods.append(
                    CompressionMethod(try PressCatalog.plan(named: name, budget: budget, assets: assets)))
            }
        }
        return methods
    }
}
