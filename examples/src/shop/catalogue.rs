//! The words that the shop's data is made of.

/// Splits a text into its words.
pub(super) fn words(list: &'static str) -> Vec<&'static str> {
    list.split_whitespace().collect()
}

pub(super) const CITIES: &str = "
    Accra Adelaide Amsterdam Ankara Antwerp Athens Auckland Bangkok Barcelona Basel Beirut Belfast
    Bergen Berlin Bilbao Bogota Bologna Boston Bristol Brno Brussels Bucharest Budapest Busan Cairo
    Calgary Cardiff Casablanca Chicago Cologne Copenhagen Cork Dakar Delft Denver Dresden Dublin
    Durban Edinburgh Fez Florence Gdansk Geneva Genoa Ghent Glasgow Gothenburg Graz Hamburg Hanoi
    Havana Helsinki Istanbul Jakarta Kigali Krakow Kyoto Lagos Leipzig Lima Lisbon Ljubljana London
    Lyon Madrid Malmo Manila Marseille Melbourne Milan Montreal Mumbai Munich Nairobi Naples Nice
    Osaka Oslo Ottawa Paris Perth Porto Prague Quito Riga Rome Santiago Sapporo Seoul Seville Sofia
    Tallinn Tokyo Toronto Tunis Turin Valencia Vienna Vilnius Zagreb";

pub(super) const FIRST_NAMES: &str = "
    Ada Alan Amira Barbara Chen Dennis Edsger Farah Grace Hedy Ivan Joan Katherine Ken Lena Margaret
    Niklaus Olga Priya Radia Sofia Tony Usha Yuki";

pub(super) const LAST_NAMES: &str = "
    Adeyemi Bauer Costa Dubois Eriksen Fischer Garcia Haddad Ito Jansen Kim Larsen Moreau Novak
    Okafor Petrov Quispe Rossi Silva Tanaka Ueda Varga Weber Zhang";

pub(super) const QUALITIES: &str = "
    Blue Bright Ceramic Cotton Folding Glass Green Heavy Large Leather Light Little Oak Red Round
    Silver Soft Steel Warm Woollen";

pub(super) const THINGS: &str = "
    apron backpack basket blanket bottle bowl brush candle chair clock coat cup curtain desk drawer
    fan frame glove hammer hat jacket jug kettle knife ladder lamp lantern mirror mug notebook oven
    pan pen pillow plate radio ruler scarf shelf shirt shovel sofa spoon stool table teapot tent
    towel umbrella vase";
