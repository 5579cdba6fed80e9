// Routes prompts from a command line, with the bundled router or a bundle of one's own:
//
//     swift run RoutePrompts "what is 2+2?" "Design a distributed consensus algorithm"
//     swift run RoutePrompts --bundle BUNDLE "what is 2+2?"
import Foundation
import VibeRouter
import VibeRouterNano

var arguments = Array(CommandLine.arguments.dropFirst())
do {
    let router: Router
    if arguments.first == "--bundle", arguments.count > 1 {
        router = try Router(bundle: URL(fileURLWithPath: arguments[1]))
        arguments.removeFirst(2)
    } else {
        router = try Router.nano()
    }
    if arguments.isEmpty {
        try router.selfTest()
        print("the golden sample is as it should be")
    }
    let encoder = JSONEncoder()
    encoder.outputFormatting = .sortedKeys
    for decision in try router.route(arguments) {
        print(String(decoding: try encoder.encode(decision), as: UTF8.self))
    }
} catch {
    FileHandle.standardError.write(Data("RoutePrompts: \(error.localizedDescription)\n".utf8))
    exit(1)
}
