import Foundation
import XCTest

@testable import VibeRouter
import VibeRouterNano

/// The table of docs/failures.md, for the C library's engine and for one that fails.
final class FailureTests: XCTestCase {
    private struct Fixed: Scorer {
        let name = "fixed"
        let value: Double?
        struct Broken: Error {}
        func logit(_ ids: [Int64]) throws -> Double {
            guard let value else { throw Broken() }
            return value
        }
    }

    private func assert(
        _ decision: Decision, _ target: Target, _ reason: Reason, scored: Bool, line: UInt = #line
    ) {
        XCTAssertEqual(decision.target, target, line: line)
        XCTAssertEqual(decision.reason, reason, line: line)
        XCTAssertEqual(decision.pCloud != nil, scored, line: line)
        XCTAssertEqual(decision.margin != nil, scored, line: line)
        XCTAssertGreaterThan(decision.tokens, 2, line: line)
    }

    func testACancelledCallGivesWhatTheTableSays() throws {
        let router = try Router.nano()
        let cancelled = Cancellation()
        cancelled.cancel()
        for router in [router, Router(router.library, scorer: Fixed(value: 1))] {
            let error = thrown { _ = try router.route("hi", Terms(), cancelled) }
            guard case .cancelled = error else { return XCTFail("\(String(describing: error))") }
            for target in [Target.device, .cloud] {
                let decision = try router.route("hi", Terms(fallback: target), cancelled)
                assert(decision, target, .fallback, scored: false)
            }
            let pinned = try router.route("hi", Terms(allowCloud: false, fallback: .cloud), cancelled)
            assert(pinned, .device, .pinned, scored: false)
        }
    }

    func testAnEngineThatFailsGivesWhatTheTableSays() throws {
        let library = try Router.nano().library
        for value in [nil, Double.nan, .infinity] {
            let router = Router(library, scorer: Fixed(value: value))
            guard case .failed = thrown({ _ = try router.route("hi") }) else { return XCTFail("\(String(describing: value))") }
            assert(try router.route("hi", terms: Terms(fallback: .cloud)), .cloud, .fallback, scored: false)
            assert(try router.route(["hi"], terms: Terms(fallback: .device))[0], .device, .fallback, scored: false)
            assert(try router.route("hi", terms: Terms(allowCloud: false)), .device, .pinned, scored: false)
        }
    }

    func testAScoreOnTheThresholdStaysOnTheDevice() throws {
        let router = try Router.nano()
        for router in [router, Router(router.library, scorer: Fixed(value: 0.3))] {
            let score = try XCTUnwrap(router.route("hi").pCloud)
            assert(try router.route("hi", terms: Terms(threshold: score)), .device, .score, scored: true)
            assert(try router.route("hi", terms: Terms(threshold: score - 1e-9)), .cloud, .score, scored: true)
            assert(
                try router.route("hi", terms: Terms(threshold: 0, fallback: .device)), .cloud, .score, scored: true)
            assert(
                try router.route("hi", terms: Terms(threshold: 0, allowCloud: false)), .device, .pinned, scored: true)
        }
    }

    func testWrongArgumentsAreRefusedWhateverElseIsAsked() throws {
        let router = try Router.nano()
        let wrong = [
            Terms(profile: "none"), Terms(profile: "balanced\0"), Terms(threshold: 1.5), Terms(threshold: .nan),
            Terms(profile: "balanced", threshold: 0.5),
        ]
        for router in [router, Router(router.library, scorer: Fixed(value: 0.3))] {
            for terms in wrong {
                var terms = terms
                terms.allowCloud = false
                terms.fallback = .device
                guard case .badArgument = thrown({ _ = try router.route("hi", terms: terms) }) else {
                    return XCTFail("\(terms)")
                }
            }
        }
    }

    func testProfilesAreThoseOfTheBundle() throws {
        let router = try Router.nano()
        XCTAssertEqual(router.profiles.filter(\.isDefault).map(\.name), ["balanced"])
        for profile in router.profiles {
            XCTAssertEqual(try router.route("hi", terms: Terms(profile: profile.name)).threshold, profile.threshold)
        }
        XCTAssertEqual(router.name, "nano")
        XCTAssertEqual(router.maxTokens, 512)
    }

    func testAPromptThatCannotBeReadIsRefused() throws {
        let router = try Router.nano()
        let marks = String(repeating: "a", count: 8 * router.maxTokens) + String(repeating: "\u{301}", count: 3000)
        for terms in [Terms(), Terms(allowCloud: false, fallback: .device)] {
            guard case .badPrompt = thrown({ _ = try router.route(marks, terms: terms) }) else { return XCTFail() }
        }
        XCTAssertEqual(try router.route("").tokens, 2)
        XCTAssertEqual(try router.route(["", ""]).map(\.tokens), [2, 2])
        XCTAssertEqual(try router.route([]), [])
    }

    func testWhatIsNoRouterIsRefused() throws {
        let absent = Place.root.appendingPathComponent("no-such-bundle")
        guard case .notFound = thrown({ _ = try Router(bundle: absent) }) else { return XCTFail() }
        let json = Place.bundle.appendingPathComponent("router.json")
        guard case .corrupt(let text) = thrown({ _ = try Router(bundle: json) }) else { return XCTFail() }
        XCTAssertFalse(text.isEmpty)
        let content = try Data(contentsOf: Place.native)
        for size in [0, 1, 64, content.count / 2, content.count - 64, content.count - 1] {
            guard case .corrupt = thrown({ _ = try Router(bytes: content.prefix(size)) }) else { return XCTFail("\(size)") }
        }
        XCTAssertEqual(try Router(bytes: content).route("hi"), try Router.nano().route("hi"))
    }

    func testADecisionIsJSONWithTheNamesOfTheOtherBindings() throws {
        let router = try Router.nano()
        let cancelled = Cancellation()
        cancelled.cancel()
        for decision in [
            try router.route("hi"), try router.route("hi", Terms(fallback: .cloud), cancelled),
        ] {
            let json = try JSONEncoder().encode(decision)
            XCTAssertEqual(try JSONDecoder().decode(Decision.self, from: json), decision)
            let names = try XCTUnwrap(JSONSerialization.jsonObject(with: json) as? [String: Any]).keys.sorted()
            XCTAssertEqual(
                names, ["engine", "margin", "p_cloud", "reason", "target", "threshold", "tokens", "truncated"])
        }
    }
}
