// Stream an answer on macOS 12 or later: swift Stream.swift
import Foundation

var request = URLRequest(url: URL(string: "http://127.0.0.1:8484/v1/chat/completions")!)
request.httpMethod = "POST"
request.setValue("application/json", forHTTPHeaderField: "Content-Type")
request.httpBody = try JSONSerialization.data(withJSONObject: [
    "model": "auto", "stream": true, "messages": [["role": "user", "content": "what is 2+2?"]],
])
let (bytes, response) = try await URLSession.shared.bytes(for: request)
for try await line in bytes.lines where line.hasPrefix("data: ") && line != "data: [DONE]" {
    let event = try JSONSerialization.jsonObject(with: Data(line.dropFirst(6).utf8)) as? [String: Any]
    let choice = (event?["choices"] as? [[String: Any]])?.first
    print((choice?["delta"] as? [String: Any])?["content"] as? String ?? "", terminator: "")
}
print("\n[\((response as? HTTPURLResponse)?.value(forHTTPHeaderField: "x-vibe-side") ?? "?")]")
