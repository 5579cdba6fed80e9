import Foundation
import XCTest

@testable import VibeRouter
@testable import VibeRouterNano

/// The repository, and the bundled router in it.
enum Place {
    static let root = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    static let bundle = root.appendingPathComponent("artifacts/nano")
    static let native = bundle.appendingPathComponent("native/model_int8.safetensors")
}

/// A line of `golden.jsonl`.
struct Golden: Decodable {
    let prompt: String
    let input_ids: [Int64]
    let truncated: Bool
    let logit: Double

    static func all() throws -> [Golden] {
        try lines(of: Place.bundle.appendingPathComponent("golden.jsonl"))
    }
}

/// Read a file in JSON lines. Lines with a lone surrogate, which no Swift string holds, are left out.
func lines<Line: Decodable>(of file: URL) throws -> [Line] {
    let decoder = JSONDecoder()
    let text = try String(contentsOf: file, encoding: .utf8)
    return try text.split(separator: "\n").filter { !hasLoneSurrogate($0) }.map {
        try decoder.decode(Line.self, from: Data($0.utf8))
    }
}

/// Whether escapes of a line of JSON name half of a pair of surrogates.
private func hasLoneSurrogate(_ line: Substring) -> Bool {
    let halves = line.matches(of: /\\u([dD][89abAB]|[dD][c-fC-F])[0-9a-fA-F]{2}/).map { match in
        "89abAB".contains(match.output.1.last!)
    }
    var place = 0
    while place < halves.count {
        guard halves[place], place + 1 < halves.count, !halves[place + 1] else { return true }
        place += 2
    }
    return false
}

/// The error that a call throws.
func thrown(_ call: () throws -> Void) -> RouterError? {
    do {
        try call()
        return nil
    } catch {
        return error as? RouterError
    }
}
