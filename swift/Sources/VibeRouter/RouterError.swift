import Foundation

/// What a router throws. The text says what happened; it never contains text of a prompt.
public enum RouterError: Error, Hashable, Sendable {
    /// A mistake of the caller: no such profile, a threshold outside 0...1.
    case badArgument(String)
    /// There is no such file, or it cannot be read.
    case notFound(String)
    /// The file is not a router's, damaged, or of another version.
    case corrupt(String)
    /// This machine cannot run the engine.
    case unavailable(String)
    /// The system gives no memory for the router or the call.
    case outOfMemory(String)
    /// The prompt cannot be cut to the length limit.
    case badPrompt(String)
    /// The task was cancelled, and no fallback says what to do then.
    case cancelled(String)
    /// The engine gave no score, and no fallback says what to do then.
    case failed(String)

    /// What happened.
    public var message: String {
        switch self {
        case .badArgument(let text), .notFound(let text), .corrupt(let text), .unavailable(let text),
            .outOfMemory(let text), .badPrompt(let text), .cancelled(let text), .failed(let text):
            text
        }
    }
}

extension RouterError: LocalizedError {
    public var errorDescription: String? { message }
}
