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
    /// The presses that are compared on texts where the question is known, at each budget: those that look from it,
    /// controls, and what CompressKV is made of.
    static func questionKnown(
        budgets: [PressBudget], assets: HeadAssets?
    ) throws(TesseraError) -> [CompressionMethod] {
        let names = ["snapkv", "pyramidkv", "tova", "h2o", "streamingllm", "random"]
        let methods = try list(assets == nil ? names : ["compresskv"] + names, budgets, assets)
        return methods
            + budgets.flatMap { budget in
                (assets.map { parts(of: $0, budget) } ?? []) + [
                    CompressionMethod(
                        PressPlan(SnapKVPress(), budget: budget, agreement: .layer, merges: true),
                        name: "snapkv, merging (Elastic Cache)")
                ]
            }
    }

    /// The presses that are compared on screenshots, at each budget. SnapKV and PyramidKV have the window and the smoothing
    /// that suit GUI-KV, and them too.
    static func screenshots(budgets: [PressBudget]) throws(TesseraError) -> [CompressionMethod] {
        let gui = GUIKVPress()
        let snapKV = SnapKVPress(window: gui.window, kernel: gui.kernel)
        var current = gui
        current.earlier = 0
        let plans = budgets.flatMap { budget in
            [
                PressPlan(gui, budget: budget), PressPlan(snapKV, budget: budget),
                PressPlan(
                    snapKV, budget: budget, layers: PyramidBudget(window: gui.window), name: "pyramidkv"),
                PressPlan(current, budget: budget, name: "gui-kv, saliency of the current screen alone"),
                PressPlan(GUIKVPress.published, budget: budget, name: "gui-kv, as published"),
                PressPlan(SnapKVPress(window: 8, kernel: 5), budget: budget, name: "snapkv, window 8"),
            ]
        }
        return plans.map { CompressionMethod($0) }
            + (try list(["tova", "h2o", "streamingllm", "random"], budgets, nil))
    }

    /// Each half of CompressKV by itself, the whole with the question's votes alone, and the whole with the paper's numbers:
    /// its window, its smoothing, its bounds and its error of a layer.
    private static func parts(of assets: HeadAssets, _ budget: PressBudget) -> [CompressionMethod] {
        let press = CompressKVPress(heads: assets.heads(), strengths: assets.strengths())
        let layers = CostBudget(costs: assets.costs)
        let published = PressPlan(
            CompressKVPress(heads: assets.heads(), window: 8, kernel: 5), budget: budget,
            layers: ErrorBudget(errors: assets.outputErrors))
        return [
            CompressionMethod(
                PressPlan(press, budget: budget), name: "compresskv, heads only"),
            CompressionMethod(
                PressPlan(SnapKVPress(), budget: budget, layers: layers), name: "compresskv, budgets only"),
            CompressionMethod(
                PressPlan(CompressKVPress(heads: assets.heads()), budget: budget, layers: layers),
                name: "compresskv, the question's votes only"),
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
