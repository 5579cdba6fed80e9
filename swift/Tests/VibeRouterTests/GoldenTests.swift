import Foundation
import XCTest

@testable import VibeRouter
import VibeRouterNano

/// The contract of `golden.jsonl`, and Python's own decisions where there are some to compare with.
final class GoldenTests: XCTestCase {
    private struct Manifest: Decodable {
        struct Engine: Decodable {
            struct Parity: Decodable { let max_abs_probability_difference: Double }
            let kind: String
            let parity: Parity
        }
        let engines: [Engine]
    }

    private struct Expected: Decodable {
        let prompt: String
        let ids: [Int64]
        let truncated: Bool
        let p_cloud: Double
        let threshold: Double
        let target: Target
    }

    /// A line of what this binding found, for `python -m benchmarks conformance`.
    private struct Answer: Encodable {
        let ids: [Int64]
        let truncated: Bool
        let p_cloud: Double?
        let threshold: Double
        let target: Target

        init(_ tokens: Tokens, _ decision: Decision) {
            (ids, truncated) = (tokens.ids, tokens.truncated)
            (p_cloud, threshold, target) = (decision.pCloud, decision.threshold, decision.target)
        }
    }

    private func write(_ answers: [Answer], to path: String) throws {
        let lines = try answers.map { String(decoding: try JSONEncoder().encode($0), as: UTF8.self) + "\n" }
        try lines.joined().write(toFile: path, atomically: true, encoding: .utf8)
    }

    func testTheGoldenSampleIsReplayed() throws {
        try Router.nano().selfTest()
    }

    func testGoldenPromptsHaveTheirIdsAndScores() throws {
        let router = try Router(bundle: Place.bundle)
        let content = try Data(contentsOf: Place.bundle.appendingPathComponent("router.json"))
        let engines = try JSONDecoder().decode(Manifest.self, from: content).engines
        let bound = try XCTUnwrap(engines.first { $0.kind == "native" }).parity.max_abs_probability_difference
        let golden = try Golden.all()
        XCTAssertGreaterThan(golden.count, 90)
        let decisions = try router.route(golden.map(\.prompt))
        for (line, decision) in zip(golden, decisions) {
            let found = try router.tokenize(line.prompt)
            XCTAssertEqual(found, Tokens(ids: line.input_ids, truncated: line.truncated))
            let pCloud = try XCTUnwrap(decision.pCloud)
            XCTAssertEqual(pCloud, 1 / (1 + exp(-line.logit)), accuracy: bound + 1e-6)
            XCTAssertEqual(decision.target, pCloud > decision.threshold ? .cloud : .device)
            XCTAssertEqual(decision.tokens, line.input_ids.count)
            XCTAssertEqual(decision.truncated, line.truncated)
        }
        XCTAssertEqual(Set(decisions.map(\.target)), [.device, .cloud])
    }

    /// `python -m benchmarks.conformance.expected artifacts/nano -o FILE` writes what Python decides.
    func testDecisionsAreThoseOfPythonBitByBit() throws {
        guard let path = ProcessInfo.processInfo.environment["VIBE_ROUTER_EXPECTED"] else {
            throw XCTSkip("VIBE_ROUTER_EXPECTED names no file of Python's decisions")
        }
        let router = try Router(bundle: Place.bundle)
        let expected: [Expected] = try lines(of: URL(fileURLWithPath: path))
        XCTAssertGreaterThan(expected.count, 90)
        let decisions = try router.route(expected.map(\.prompt))
        if let path = ProcessInfo.processInfo.environment["VIBE_ROUTER_ANSWERS"] {
            try write(zip(expected, decisions).map { Answer(try router.tokenize($0.prompt), $1) }, to: path)
        }
        for (line, decision) in zip(expected, decisions) {
            XCTAssertEqual(try router.tokenize(line.prompt), Tokens(ids: line.ids, truncated: line.truncated))
            XCTAssertEqual(decision.pCloud, line.p_cloud)
            XCTAssertEqual(decision.threshold, line.threshold)
            XCTAssertEqual(decision.target, line.target)
        }
        print("decisions equal to Python's: \(expected.count)")
    }
}
