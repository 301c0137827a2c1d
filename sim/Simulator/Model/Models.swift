/// The models that scenarios can name. Adding one is one line here.
public enum Models {
    /// Every model, in the order in which they are listed.
    public static let all: [any SimulationModel.Type] = [
        HalvingPool.self, CMW1.self, MarketModel.self,
    ]

    /// The model of this name.
    public static func named(_ name: String) -> (any SimulationModel.Type)? {
        all.first { $0.name == name }
    }
}
