import Foundation
internal import CVibeRouter

/// A router of the C library, which is closed when nobody holds it any more.
///
/// The library serves any number of threads with one router, and nothing here changes after `init`.
final class Library: @unchecked Sendable {
    private let handle: OpaquePointer
    private let memory: UnsafeMutableRawPointer?

    /// Map the native file of a bundle's folder, or that file.
    init(path: String, threads: Int) throws(RouterError) {
        var opened: OpaquePointer?
        var failure = VibeRouterError()
        var options = Self.options(threads)
        let status = vibe_router_open(path, &options, &opened, &failure)
        guard status == 0, let opened else { throw RouterError(failure) }
        handle = opened
        memory = nil
    }

    /// Copy a native file's bytes to where the library wants them.
    init(bytes: Data, threads: Int) throws(RouterError) {
        let copy = UnsafeMutableRawPointer.allocate(byteCount: max(bytes.count, 1), alignment: 64)
        bytes.withUnsafeBytes { copy.copyMemory(from: $0.baseAddress ?? UnsafeRawPointer(copy), byteCount: $0.count) }
        var opened: OpaquePointer?
        var failure = VibeRouterError()
        var options = Self.options(threads)
        let status = vibe_router_open_memory(copy, bytes.count, &options, &opened, &failure)
        guard status == 0, let opened else {
            copy.deallocate()
            throw RouterError(failure)
        }
        handle = opened
        memory = copy
    }

    deinit {
        vibe_router_close(handle)
        memory?.deallocate()
    }

    func route(_ prompt: String, _ terms: Terms, _ cancellation: Cancellation?) throws(RouterError) -> Decision {
        var text = prompt
        var decision = VibeRouterDecision()
        var failure = VibeRouterError()
        let status = try withTerms(terms, cancellation) { asked in
            text.withUTF8 { bytes in
                bytes.withMemoryRebound(to: CChar.self) {
                    vibe_router_route(handle, $0.baseAddress, $0.count, asked, &decision, &failure)
                }
            }
        }
        guard status == 0 else { throw RouterError(failure) }
        return Decision(decision)
    }

    func route(_ prompts: [String], _ terms: Terms, _ cancellation: Cancellation?) throws(RouterError) -> [Decision] {
        var text: [CChar] = []
        var lengths: [Int] = []
        for prompt in prompts {
            text.append(contentsOf: prompt.utf8.lazy.map { CChar(bitPattern: $0) })
            lengths.append(prompt.utf8.count)
        }
        var decisions = [VibeRouterDecision](repeating: VibeRouterDecision(), count: prompts.count)
        var failure = VibeRouterError()
        let status = try withTerms(terms, cancellation) { asked in
            text.withUnsafeBufferPointer { bytes in
                var place = 0
                let starts = lengths.map { length in
                    defer { place += length }
                    return bytes.baseAddress.map { $0 + place }
                }
                return vibe_router_route_many(handle, starts, lengths, lengths.count, asked, &decisions, &failure)
            }
        }
        guard status == 0 else { throw RouterError(failure) }
        return decisions.map(Decision.init)
    }

    func tokenize(_ prompt: String) throws(RouterError) -> Tokens {
        var text = prompt
        var ids = [Int64](repeating: 0, count: information.maxTokens)
        var count: Int32 = 0
        var truncated: Int32 = 0
        var failure = VibeRouterError()
        let status = text.withUTF8 { bytes in
            bytes.withMemoryRebound(to: CChar.self) {
                vibe_router_tokenize(handle, $0.baseAddress, $0.count, &ids, &count, &truncated, &failure)
            }
        }
        guard status == 0 else { throw RouterError(failure) }
        return Tokens(ids: Array(ids.prefix(Int(count))), truncated: truncated != 0)
    }

    func selfTest() throws(RouterError) {
        var failure = VibeRouterError()
        guard vibe_router_self_test(handle, &failure) == 0 else { throw RouterError(failure) }
    }

    var information: Information {
        var found = VibeRouterInfo()
        vibe_router_info(handle, &found)
        var profiles: [Profile] = []
        for place in 0..<found.profiles {
            var profile = VibeRouterProfile()
            guard vibe_router_profile(handle, place, &profile) == 0 else { break }
            profiles.append(
                Profile(
                    name: String(cString: profile.name), threshold: profile.threshold,
                    isDefault: profile.is_default != 0))
        }
        return Information(
            name: String(cString: found.name), version: String(cString: found.version),
            deviceLabel: String(cString: found.device_label), cloudLabel: String(cString: found.cloud_label),
            temperature: found.temperature, maxTokens: Int(found.max_tokens), profiles: profiles)
    }

    private static func options(_ threads: Int) -> VibeRouterOptions {
        VibeRouterOptions(size: UInt32(MemoryLayout<VibeRouterOptions>.size), threads: Int32(clamping: threads))
    }

    /// Call `body` with the terms as the library reads them; they live as long as the call.
    private func withTerms(
        _ terms: Terms, _ cancellation: Cancellation?, _ body: (UnsafePointer<VibeRouterTerms>) -> Int32
    ) throws(RouterError) -> Int32 {
        guard terms.profile?.utf8.contains(0) != true else { throw .badArgument("the bundle has no such profile") }
        func call(_ profile: UnsafePointer<CChar>?) -> Int32 {
            let asked = VibeRouterTerms(
                size: UInt32(MemoryLayout<VibeRouterTerms>.size),
                allow_cloud: terms.allowCloud ? 1 : 0,
                fallback: Int32((terms.fallback.map(\.code) ?? VIBE_ROUTER_NONE).rawValue),
                has_threshold: terms.threshold == nil ? 0 : 1,
                threshold: terms.threshold ?? 0,
                profile: profile,
                cancel: cancellation.map { UnsafePointer($0.flag) })
            return withExtendedLifetime(cancellation) { withUnsafePointer(to: asked, body) }
        }
        return terms.profile.map { $0.withCString(call) } ?? call(nil)
    }
}

/// What a router says of itself.
struct Information: Hashable, Sendable {
    let name: String
    let version: String
    let deviceLabel: String
    let cloudLabel: String
    let temperature: Double
    let maxTokens: Int
    let profiles: [Profile]
}

/// A flag that ends a call from another thread.
final class Cancellation: @unchecked Sendable {
    fileprivate let flag: UnsafeMutablePointer<Int32>
    private let lock = NSLock()
    private var wanted = false

    init() {
        flag = .allocate(capacity: 1)
        flag.initialize(to: 0)
    }

    deinit { flag.deallocate() }

    /// Have the call end.
    func cancel() {
        lock.withLock { wanted = true }
        vibe_router_cancel(flag)
    }

    var isCancelled: Bool { lock.withLock { wanted } }
}

extension Target {
    fileprivate var code: VibeRouterTarget { self == .cloud ? VIBE_ROUTER_CLOUD : VIBE_ROUTER_DEVICE }
}

extension Decision {
    fileprivate init(_ found: VibeRouterDecision) {
        let scored = found.has_score != 0
        let reasons: [Reason] = [.score, .pinned, .fallback]
        self.init(
            target: found.target == Int32(VIBE_ROUTER_CLOUD.rawValue) ? .cloud : .device,
            pCloud: scored ? found.p_cloud : nil, threshold: found.threshold, margin: scored ? found.margin : nil,
            tokens: Int(found.tokens), truncated: found.truncated != 0, reason: reasons[Int(found.reason)],
            engine: String(cString: found.engine))
    }
}

extension RouterError {
    /// Read what the library has written about a failure.
    fileprivate init(_ failure: VibeRouterError) {
        let text = withUnsafeBytes(of: failure.message) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        switch failure.status {
        case Int32(VIBE_ROUTER_BAD_ARGUMENT.rawValue): self = .badArgument(text)
        case Int32(VIBE_ROUTER_NOT_FOUND.rawValue): self = .notFound(text)
        case Int32(VIBE_ROUTER_CORRUPT.rawValue): self = .corrupt(text)
        case Int32(VIBE_ROUTER_UNAVAILABLE.rawValue): self = .unavailable(text)
        case Int32(VIBE_ROUTER_NO_MEMORY.rawValue): self = .outOfMemory(text)
        case Int32(VIBE_ROUTER_BAD_PROMPT.rawValue): self = .badPrompt(text)
        case Int32(VIBE_ROUTER_CANCELLED.rawValue): self = .cancelled(text)
        default: self = .failed(text)
        }
    }
}
