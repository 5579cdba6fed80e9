/// The 64 bits of BLAKE2b (RFC 7693) by which Python and Swift name a scored text, in hexadecimal.
func digest(_ bytes: [UInt8]) -> String {
    let size = 8
    var state = initial
    // Parameters: the digest's size, no key, fanout and depth of 1.
    state[0] ^= 0x0101_0000 ^ UInt64(size)
    var at = 0
    repeat {
        let block = Array(bytes[at..<min(at + 128, bytes.count)])
        at += block.count
        compress(&state, block + [UInt8](repeating: 0, count: 128 - block.count), count: UInt64(at), last: at == bytes.count)
    } while at < bytes.count
    var text = ""
    for place in 0..<size {
        let shift = UInt64(place) * 8
        text += hexadecimal(UInt8(truncatingIfNeeded: state[0] >> shift))
    }
    return text
}

private let initial: [UInt64] = [
    0x6a09_e667_f3bc_c908, 0xbb67_ae85_84ca_a73b, 0x3c6e_f372_fe94_f82b, 0xa54f_f53a_5f1d_36f1,
    0x510e_527f_ade6_82d1, 0x9b05_688c_2b3e_6c1f, 0x1f83_d9ab_fb41_bd6b, 0x5be0_cd19_137e_2179,
]

private let orders: [[Int]] = [
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15], [14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3],
    [11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4], [7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8],
    [9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13], [2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9],
    [12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11], [13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10],
    [6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5], [10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0],
]

private func compress(_ state: inout [UInt64], _ block: [UInt8], count: UInt64, last: Bool) {
    var words = [UInt64](repeating: 0, count: 16)
    for (place, byte) in block.enumerated() {
        let shift = UInt64(place % 8) * 8
        words[place / 8] |= UInt64(byte) << shift
    }
    var v = state + initial
    v[12] ^= count
    if last { v[14] = ~v[14] }
    func mix(_ a: Int, _ b: Int, _ c: Int, _ d: Int, _ x: UInt64, _ y: UInt64) {
        v[a] = v[a] &+ v[b] &+ x
        v[d] = turned(v[d] ^ v[a], 32)
        v[c] = v[c] &+ v[d]
        v[b] = turned(v[b] ^ v[c], 24)
        v[a] = v[a] &+ v[b] &+ y
        v[d] = turned(v[d] ^ v[a], 16)
        v[c] = v[c] &+ v[d]
        v[b] = turned(v[b] ^ v[c], 63)
    }
    for round in 0..<12 {
        let order = orders[round % 10].map { words[$0] }
        mix(0, 4, 8, 12, order[0], order[1])
        mix(1, 5, 9, 13, order[2], order[3])
        mix(2, 6, 10, 14, order[4], order[5])
        mix(3, 7, 11, 15, order[6], order[7])
        mix(0, 5, 10, 15, order[8], order[9])
        mix(1, 6, 11, 12, order[10], order[11])
        mix(2, 7, 8, 13, order[12], order[13])
        mix(3, 4, 9, 14, order[14], order[15])
    }
    for place in 0..<8 { state[place] ^= v[place] ^ v[place + 8] }
}

private func turned(_ word: UInt64, _ bits: UInt64) -> UInt64 { (word >> bits) | (word << (64 - bits)) }

private func hexadecimal(_ byte: UInt8) -> String {
    let text = String(byte, radix: 16)
    return text.count < 2 ? "0" + text : text
}
