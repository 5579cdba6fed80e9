import Foundation

/// Decides on the device whether a chat request needs the cloud.
///
/// ```swift
/// let router = try Router(bundle: url)
/// let decision = try router.route("Write a thread-safe LRU cache in Python")
/// if decision.target == .cloud { ... }
/// ```
///
/// One router serves any number of threads and tasks. It maps the bundle's native file and opens in milliseconds; keep
/// it. A process that was forked must open its own.
public final class Router: Sendable {
    let library: Library
    private let scorer: (any Scorer)?
    private let information: Information

    /// Open a bundle.
    ///
    /// - Parameters:
    ///   - bundle: A bundle's folder, or the native file in it, which `router-export native` writes.
    ///   - threads: Threads of the engine; 0 is as many as there are processors.
    /// - Throws: ``RouterError/notFound(_:)``, ``RouterError/corrupt(_:)``, ``RouterError/unavailable(_:)`` or
    ///   ``RouterError/badArgument(_:)``.
    public convenience init(bundle: URL, threads: Int = 0) throws(RouterError) {
        try self.init(Library(path: bundle.path, threads: threads), scorer: nil)
    }

    /// Open the bytes of a native file, which are copied.
    ///
    /// - Throws: As ``init(bundle:threads:)``.
    public convenience init(bytes: Data, threads: Int = 0) throws(RouterError) {
        try self.init(Library(bytes: bytes, threads: threads), scorer: nil)
    }

    init(_ library: Library, scorer: (any Scorer)?) {
        self.library = library
        self.scorer = scorer
        information = library.information
    }

    /// The bundle's name.
    public var name: String { information.name }
    /// The bundle's version.
    public var version: String { information.version }
    /// The model that the device is for.
    public var deviceLabel: String { information.deviceLabel }
    /// The model that the cloud is for.
    public var cloudLabel: String { information.cloudLabel }
    /// What logits were divided by, so that scores are probabilities.
    public var temperature: Double { information.temperature }
    /// The most ids of a prompt that count.
    public var maxTokens: Int { information.maxTokens }
    /// The bundle's named thresholds.
    public var profiles: [Profile] { information.profiles }

    /// Decide one prompt.
    ///
    /// - Throws: ``RouterError/badArgument(_:)``, ``RouterError/badPrompt(_:)`` or ``RouterError/failed(_:)``.
    public func route(_ prompt: String, terms: Terms = Terms()) throws(RouterError) -> Decision {
        try route(prompt, terms, nil)
    }

    /// Decide several prompts, each as by itself, in less time.
    ///
    /// - Throws: As ``route(_:terms:)-(String,_)``, and then no prompt has a decision.
    public func route(_ prompts: [String], terms: Terms = Terms()) throws(RouterError) -> [Decision] {
        try route(prompts, terms, nil)
    }

    /// Return the ids of a prompt.
    ///
    /// - Throws: ``RouterError/badPrompt(_:)``.
    public func tokenize(_ prompt: String) throws(RouterError) -> Tokens {
        try library.tokenize(prompt)
    }

    /// Replay the file's golden sample with the C library's engine: the same ids, and logits within 0.001.
    ///
    /// - Throws: ``RouterError/failed(_:)`` or ``RouterError/corrupt(_:)``.
    public func selfTest() throws(RouterError) {
        try library.selfTest()
    }

    func route(_ prompt: String, _ terms: Terms, _ cancellation: Cancellation?) throws(RouterError) -> Decision {
        guard let scorer else { return try library.route(prompt, terms, cancellation) }
        let policy = try Policy(terms, profiles: profiles, engine: scorer.name)
        return try policy.decide(library.tokenize(prompt), cancellation, score: scorer.logit)
    }

    func route(_ prompts: [String], _ terms: Terms, _ cancellation: Cancellation?) throws(RouterError) -> [Decision] {
        guard scorer != nil else { return try library.route(prompts, terms, cancellation) }
        var decisions: [Decision] = []
        for prompt in prompts { decisions.append(try route(prompt, terms, cancellation)) }
        return decisions
    }
}
