// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import Logging
internal import Synchronization
internal import TesseraKV

/// The layouts of prompts, by whether there is a system text and by who spoke before; many templates treat these
/// differently.
final class PromptLayouts: Sendable {
    /// What a layout depends on.
    fileprivate struct Form: Hashable {
        var hasSystem: Bool
        var roles: [Prompt.Turn.Role]
    }

    /// The model's own template, with the names that it may write.
    fileprivate struct Own: Sendable {
        var template: String
        var beginning: String?
        var ending: String?
    }

    private let withSystem: PromptLayout
    private let withoutSystem: PromptLayout
    private let own: Own?
    private let isOverridden: Bool
    private let known = Mutex<[Form: PromptLayout]>([:])
    /// Layouts of conversations that are remembered.
    private static let mostKnown = 256

    /// Takes an override where there is one, else the model's own template where it can be honoured, else segments
    /// exactly as given; the last is said where a template had to be passed over.
    init(
        template: String?, model: ModelDescription, tokenizer: any Tokenizer, log: Logger
    ) throws(TesseraError) {
        isOverridden = template != nil
        if let template {
            let layout = try PromptLayout(userTemplate: template)
            (withSystem, withoutSystem, own) = (layout, layout, nil)
            if !layout.hasSystem {
                log.notice("the prompt template has no place for {system}: system texts are left out")
            }
            return
        }
        guard let text = model.chatTemplate else {
            (withSystem, withoutSystem, own) = (.plain, .plain, nil)
            return
        }
        let template = Own(
            template: text, beginning: Self.name(of: tokenizer.beginning, tokenizer),
            ending: Self.name(of: tokenizer.endings.min(), tokenizer))
        do throws(TesseraError) {
            let layouts = try [true, false].map { (hasSystem) throws(TesseraError) in
                try template.layout(Form(hasSystem: hasSystem, roles: []))
            }
            (withSystem, withoutSystem, own) = (layouts[0], layouts[1], template)
        } catch {
            log.notice("\(error.message); until then segments are spliced as they are")
            (withSystem, withoutSystem, own) = (.plain, .plain, nil)
        }
    }

    /// The layout of a prompt.
    ///
    /// - Throws: ``TesseraError`` of code `invalidInput` for earlier turns that the template has no place for.
    func layout(of prompt: Prompt) throws(TesseraError) -> PromptLayout {
        guard !prompt.turns.isEmpty else { return prompt.system == nil ? withoutSystem : withSystem }
        guard !isOverridden else {
            throw TesseraError(
                .invalidInput,
                "the prompt template that was given in the place of the model's has no place for earlier turns")
        }
        guard let own else { return .plain(turns: prompt.turns.count) }
        let form = Form(hasSystem: prompt.system != nil, roles: prompt.turns.map(\.role))
        if let layout = known.withLock({ $0[form] }) { return layout }
        let layout: PromptLayout
        do throws(TesseraError) {
            layout = try own.layout(form)
        } catch {
            throw TesseraError(.invalidInput, "this conversation can't be laid out: \(error.message)")
        }
        known.withLock { known in
            if known.count >= Self.mostKnown { known.removeAll() }
            known[form] = layout
        }
        return layout
    }

    private static func name(of token: TokenID?, _ tokenizer: any Tokenizer) -> String? {
        token.map { String(decoding: tokenizer.bytes(of: $0, special: true), as: UTF8.self) }
    }
}

extension PromptLayouts.Own {
    fileprivate func layout(_ form: PromptLayouts.Form) throws(TesseraError) -> PromptLayout {
        try ChatTemplate.layout(
            of: template, hasSystem: form.hasSystem, turns: form.roles, beginning: beginning, ending: ending)
    }
}
