import Foundation

extension Router {
    /// Decide a conversation whose last turn wants an answer: Python's `route_chat`.
    ///
    /// What is asked, and when a conversation changes sides, is in docs/conversations.md. The state of the decision
    /// before spares scores and keeps a pin; without it the same is decided from the messages.
    ///
    /// - Parameters:
    ///   - messages: The whole history, oldest first.
    ///   - state: ``ChatDecision/state`` of the turn before.
    ///   - terms: What is asked of the decision.
    ///   - tools: How many tools the request defines.
    ///   - policy: When a conversation changes sides, and what the model on the device can do.
    /// - Throws: As ``route(_:terms:)-(String,_)``.
    public func routeChat(
        _ messages: [Message], state: ChatState = ChatState(), terms: Terms = Terms(), tools: Int = 0,
        policy: ChatPolicy = ChatPolicy()
    ) throws(RouterError) -> ChatDecision {
        try routeChat(messages, state, terms, tools, policy, nil)
    }

    func routeChat(
        _ messages: [Message], _ state: ChatState, _ asked: Terms, _ tools: Int, _ policy: ChatPolicy,
        _ cancellation: Cancellation?
    ) throws(RouterError) -> ChatDecision {
        var terms = asked
        // A conversation that must stay on the device once must do so for good: its text is in the history.
        if state.pinned { terms.allowCloud = false }
        let engine = try engineName()
        let rules = try Policy(terms, profiles: profiles, engine: engine)
        try policy.check()
        let chat = try Chat(messages, tools: tools, harnessTags: policy.harnessTags)
        let (requires, lacking) = policy.requirements(chat)
        let asks = Ask.all(chat.turns, policy)
        let last = asks[asks.count - 1]
        let prompt = try tokenize(string(last.text))
        var scores = ChatScores(router: self, cancellation: cancellation, state: state, scorer: "\(name) \(version) \(engine)")
        var decision: Decision
        var scored: [Span] = []
        if terms.allowCloud && !lacking.isEmpty {
            decision = rules.decision(prompt, nil).with(.cloud, .required)
        } else {
            do throws(RouterError) {
                // The state may hold all scores; the call is cancelled then as well.
                guard cancellation?.isCancelled != true else { throw .cancelled("the call was cancelled") }
                decision = try decide(asks, chat, rules, policy, prompt, &scores)
                scored = last.spans
            } catch .failed(let text) {
                decision = try rules.decision(prompt, after: .failed(text))
            } catch .cancelled(let text) {
                decision = try rules.decision(prompt, after: .cancelled(text))
            }
        }
        return ChatDecision(
            decision: decision, scored: scored, requires: requires, unmet: decision.target == .device ? lacking : [],
            state: scores.state(pinned: !terms.allowCloud))
    }

    private func decide(
        _ asks: [Ask], _ chat: Chat, _ rules: Policy, _ policy: ChatPolicy, _ prompt: Tokens, _ scores: inout ChatScores
    ) throws(RouterError) -> Decision {
        let last = asks[asks.count - 1]
        let score = probability(try scores.of(last.text))
        guard rules.terms.allowCloud else { return rules.decision(prompt, score) }
        var observed: [Observation] = []
        for ask in asks {
            let score = try ask.kind == .bare ? nil : scores.of(ask.text)
            observed.append(Observation(logit: score, newTopic: ask.kind == .newTopic))
        }
        let side = policy.sides(observed, threshold: rules.threshold).last ?? .device
        let decision = rules.decision(prompt, score)
        let held = last.kind == .bare || chat.openToolCall || decision.target != side
        return held ? decision.with(side, .held) : decision
    }

    /// What computes scores, asked of a call that computes none.
    private func engineName() throws(RouterError) -> String {
        let cancelled = Cancellation()
        cancelled.cancel()
        return try route("", Terms(allowCloud: false), cancelled).engine
    }
}

/// The logits of one call's texts, each asked for once.
private struct ChatScores {
    private let router: Router
    private let cancellation: Cancellation?
    private let scorer: String
    private let known: [String: Double]
    private var used: [String: Double] = [:]

    init(router: Router, cancellation: Cancellation?, state: ChatState, scorer: String) {
        self.router = router
        self.cancellation = cancellation
        self.scorer = scorer
        known = state.scorer == scorer ? state.scores : [:]
    }

    mutating func of(_ text: [Unicode.Scalar]) throws(RouterError) -> Double {
        let prompt = string(text)
        let key = digest(Array(prompt.utf8))
        if let found = used[key] ?? known[key] {
            used[key] = found
            return found
        }
        guard let score = try router.route(prompt, Terms(), cancellation).pCloud else {
            throw .failed("the engine gave no score")
        }
        let found = logit(score)
        used[key] = found
        return found
    }

    func state(pinned: Bool) -> ChatState {
        var state = ChatState()
        (state.pinned, state.scorer, state.scores) = (pinned, scorer, used)
        return state
    }
}

extension Decision {
    fileprivate func with(_ target: Target, _ reason: Reason) -> Decision {
        Decision(
            target: target, pCloud: pCloud, threshold: threshold, margin: margin, tokens: tokens, truncated: truncated,
            reason: reason, engine: engine)
    }
}

extension ChatPolicy {
    /// Return what a chat requires, and what of it the device's model lacks.
    fileprivate func requirements(_ chat: Chat) -> (Requires, [Requires.Need]) {
        let text = Int((Double(chat.textBytes) / bytesPerToken).rounded(.toNearestOrEven))
        let tokens = text + chat.media * tokensPerMedium
        let requires = Requires(
            tools: chat.tools, vision: chat.vision, audio: chat.audio,
            longContext: tokens + reservedTokens > deviceContext, contextTokens: tokens)
        let lacks: [(Requires.Need, Bool)] = [
            (.tools, requires.tools && !deviceTools), (.vision, requires.vision && !deviceVision),
            (.audio, requires.audio && !deviceAudio), (.longContext, requires.longContext),
        ]
        return (requires, lacks.filter(\.1).map(\.0))
    }
}
