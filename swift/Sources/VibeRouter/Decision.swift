/// Where a request goes.
public enum Target: String, Codable, Hashable, Sendable {
    /// The model on this device.
    case device
    /// The model in the cloud.
    case cloud
}

/// Why a request goes there.
public enum Reason: String, Codable, Hashable, Sendable {
    /// The score was compared with the threshold.
    case score
    /// The caller forbade the cloud.
    case pinned
    /// There is no score, and the caller had named a target for that case.
    case fallback
    /// A conversation stayed on its side, against its last score or without one.
    case held
    /// The device's model lacks what a conversation needs.
    case required
}

/// One routed prompt.
///
/// In JSON it has the names of the other bindings: `p_cloud`, and `null` where there is no score.
public struct Decision: Hashable, Sendable {
    /// Where the prompt goes.
    public let target: Target
    /// The probability that the cloud's answer is worth it; `nil` where the engine gave no score. The target is the
    /// cloud if and only if it is above ``threshold``.
    public let pCloud: Double?
    /// What ``pCloud`` was compared with: a profile's threshold, or that of the terms.
    public let threshold: Double
    /// ``pCloud`` minus ``threshold``.
    public let margin: Double?
    /// The prompt's ids, `[CLS]` and `[SEP]` included.
    public let tokens: Int
    /// Whether the prompt had more.
    public let truncated: Bool
    /// Why it goes there.
    public let reason: Reason
    /// What computed the score, such as `native-cpu`.
    public let engine: String
}

extension Decision: Codable {
    private enum CodingKeys: String, CodingKey {
        case target, threshold, margin, tokens, truncated, reason, engine
        case pCloud = "p_cloud"
    }

    public func encode(to encoder: any Encoder) throws {
        var fields = encoder.container(keyedBy: CodingKeys.self)
        try fields.encode(target, forKey: .target)
        try fields.encode(pCloud, forKey: .pCloud)
        try fields.encode(threshold, forKey: .threshold)
        try fields.encode(margin, forKey: .margin)
        try fields.encode(tokens, forKey: .tokens)
        try fields.encode(truncated, forKey: .truncated)
        try fields.encode(reason, forKey: .reason)
        try fields.encode(engine, forKey: .engine)
    }
}

/// What a caller asks of a decision.
public struct Terms: Hashable, Sendable {
    /// A profile of the bundle; `nil` is the default one.
    public var profile: String?
    /// A threshold on the scale of ``Decision/pCloud``, in place of a profile's.
    public var threshold: Double?
    /// `false`: the device, whatever the score and whatever happens.
    public var allowCloud: Bool
    /// Where the prompt goes if the engine fails or the call is cancelled; `nil` throws then.
    public var fallback: Target?

    /// Ask for the default profile, with the cloud allowed and without a fallback, but for what is given.
    public init(
        profile: String? = nil, threshold: Double? = nil, allowCloud: Bool = true, fallback: Target? = nil
    ) {
        self.profile = profile
        self.threshold = threshold
        self.allowCloud = allowCloud
        self.fallback = fallback
    }
}

/// A named threshold of a bundle.
public struct Profile: Codable, Hashable, Sendable {
    /// What ``Terms/profile`` asks for.
    public let name: String
    /// On the scale of ``Decision/pCloud``.
    public let threshold: Double
    /// Whether it counts where the terms name none.
    public let isDefault: Bool
}

/// The ids of a prompt.
public struct Tokens: Hashable, Sendable {
    /// `[CLS]` and `[SEP]` included, at most ``Router/maxTokens``.
    public let ids: [Int64]
    /// Whether the prompt had more.
    public let truncated: Bool
}
