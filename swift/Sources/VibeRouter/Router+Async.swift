import Dispatch

extension Router {
    /// Decide one prompt without holding the caller's executor.
    ///
    /// A cancelled task ends the engine between two of its steps: the call throws ``RouterError/cancelled(_:)``, or
    /// gives the fallback of `terms`.
    ///
    /// - Throws: As the variant that is not `async`, and ``RouterError/cancelled(_:)``.
    public func route(_ prompt: String, terms: Terms = Terms()) async throws(RouterError) -> Decision {
        try await Self.apart { cancellation throws(RouterError) in try self.route(prompt, terms, cancellation) }
    }

    /// Decide several prompts without holding the caller's executor.
    ///
    /// - Throws: As ``route(_:terms:)-(String,_)``, and then no prompt has a decision.
    public func route(_ prompts: [String], terms: Terms = Terms()) async throws(RouterError) -> [Decision] {
        try await Self.apart { cancellation throws(RouterError) in try self.route(prompts, terms, cancellation) }
    }

    /// Decide a conversation without holding the caller's executor: Python's `aroute_chat`.
    ///
    /// A cancelled task ends the engine between two of its steps, and no further turn is scored: the call throws
    /// ``RouterError/cancelled(_:)``, or gives the fallback of `terms`. A request that only the cloud can serve needs no
    /// score, and goes there all the same.
    ///
    /// - Parameters:
    ///   - messages: The whole history, oldest first.
    ///   - state: ``ChatDecision/state`` of the turn before.
    ///   - terms: What is asked of the decision.
    ///   - tools: How many tools the request defines.
    ///   - policy: When a conversation changes sides, and what the model on the device can do.
    /// - Throws: As the variant that is not `async`, and ``RouterError/cancelled(_:)``.
    public func routeChat(
        _ messages: [Message], state: ChatState = ChatState(), terms: Terms = Terms(), tools: Int = 0,
        policy: ChatPolicy = ChatPolicy()
    ) async throws(RouterError) -> ChatDecision {
        try await Self.apart { cancellation throws(RouterError) in
            try self.routeChat(messages, state, terms, tools, policy, cancellation)
        }
    }

    /// Run `work` on a thread that may be blocked, and cancel it with the task.
    private static func apart<Value: Sendable>(
        _ work: @escaping @Sendable (Cancellation) throws(RouterError) -> Value
    ) async throws(RouterError) -> Value {
        let cancellation = Cancellation()
        let result: Result<Value, RouterError> = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                DispatchQueue.global().async {
                    let outcome: Result<Value, RouterError>
                    do throws(RouterError) {
                        outcome = .success(try work(cancellation))
                    } catch {
                        outcome = .failure(error)
                    }
                    continuation.resume(returning: outcome)
                }
            }
        } onCancel: {
            cancellation.cancel()
        }
        switch result {
        case .success(let value): return value
        case .failure(let error): throw error
        }
    }
}
