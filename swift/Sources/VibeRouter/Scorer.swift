import Foundation

/// An engine other than the C library's: ids in, logit out.
protocol Scorer: Sendable {
    /// The name in ``Decision/engine``.
    var name: String { get }

    /// Return the logit of a prompt's ids.
    func logit(_ ids: [Int64]) throws -> Double
}

/// The rules of the C library's `route.c`, for scores of other engines.
struct Policy {
    let terms: Terms
    let threshold: Double
    let engine: String

    /// Read the terms against the bundle's profiles.
    init(_ terms: Terms, profiles: [Profile], engine: String) throws(RouterError) {
        self.terms = terms
        self.engine = engine
        if let threshold = terms.threshold {
            guard terms.profile == nil else { throw .badArgument("give a profile or a threshold, not both") }
            guard (0.0...1.0).contains(threshold) else { throw .badArgument("the threshold is outside 0..1") }
            self.threshold = threshold
        } else {
            let wanted = profiles.first { terms.profile == nil ? $0.isDefault : $0.name == terms.profile }
            guard let wanted else { throw .badArgument("the bundle has no such profile") }
            threshold = wanted.threshold
        }
    }

    /// Decide with the logit that `score` gives, or without one where the terms allow it.
    func decide(
        _ prompt: Tokens, _ cancellation: Cancellation?, score: ([Int64]) throws -> Double
    ) throws(RouterError) -> Decision {
        let problem: RouterError
        do {
            guard cancellation?.isCancelled != true else { throw RouterError.cancelled("the call was cancelled") }
            let logit = try score(prompt.ids)
            guard logit.isFinite else { throw RouterError.failed("the engine gave something that is not a logit") }
            return decision(prompt, 1 / (1 + exp(-logit)))
        } catch let error as RouterError {
            problem = error
        } catch {
            problem = .failed("the engine failed: \(error.localizedDescription)")
        }
        return try decision(prompt, after: problem)
    }

    /// Decide without a score, where the terms allow it.
    func decision(_ prompt: Tokens, after problem: RouterError) throws(RouterError) -> Decision {
        guard !terms.allowCloud || terms.fallback != nil else { throw problem }
        return decision(prompt, nil)
    }

    func decision(_ prompt: Tokens, _ pCloud: Double?) -> Decision {
        let wanted: Target = pCloud.map { $0 > threshold ? .cloud : .device } ?? terms.fallback ?? .device
        let reason: Reason = terms.allowCloud ? (pCloud == nil ? .fallback : .score) : .pinned
        return Decision(
            target: terms.allowCloud ? wanted : .device, pCloud: pCloud, threshold: threshold,
            margin: pCloud.map { $0 - threshold }, tokens: prompt.ids.count, truncated: prompt.truncated,
            reason: reason, engine: engine)
    }
}
