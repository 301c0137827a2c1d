import Foundation

/// The ids of the offers a node has posted, kept beside its identity: a node that was killed takes
/// them back when it starts again, so that nothing is promised twice.
struct OfferMemory: Sendable {
    private struct Record: Codable {
        var house: String
        var offers: [UInt64]
    }

    private let path: String
    private let house: String

    init(identityFile: String, house: String) {
        path = identityFile + ".offers"
        self.house = house
    }

    /// The offers that may still stand; none if they were posted to another house.
    func load() -> [UInt64] {
        guard let data = FileManager.default.contents(atPath: path),
            let record = try? JSONDecoder().decode(Record.self, from: data),
            record.house == house
        else { return [] }
        return Array(record.offers.prefix(1_024))
    }

    /// Keeps `offers`. A failure costs no more than an offer that stands until it expires.
    func save(_ offers: [UInt64]) {
        let data = try? JSONEncoder().encode(Record(house: house, offers: offers))
        try? data?.write(to: URL(fileURLWithPath: path), options: .atomic)
    }
}
