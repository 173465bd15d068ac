//! Valkey 9's search within a polygon, as Valkey 9.1.2 answers.

use vermilion::testing::talk;

#[test]
fn places_within_a_polygon_are_found_around_its_middle() {
    talk(
        "> GEOADD g 13.361389 38.115556 Palermo 15.087269 37.502669 Catania 12.5 41.9 Rome 2.35 48.85 Paris 14.25 40.85 Naples
         :5
         > GEOSEARCH g BYPOLYGON 4 10 35 20 35 20 45 10 45
         [\"Palermo\" \"Catania\" \"Rome\" \"Naples\"]
         > GEOSEARCH g BYPOLYGON 4 10 35 20 35 20 45 10 45 WITHDIST WITHCOORD WITHHASH ASC
         [[\"Naples\" \"104137.6839\" :3480580641640645 [\"14.249999821186066\" \"40.850000908585365\"]] [\"Palermo\" \"262838.6297\" :3479099956230698 [\"13.361389338970184\" \"38.1155563954963\"]] [\"Rome\" \"289424.0357\" :3480343095893889 [\"12.499997913837433\" \"41.899999009956886\"]] [\"Catania\" \"289835.3308\" :3479447370796909 [\"15.087267458438873\" \"37.50266842333162\"]]]
         > GEOSEARCH g FROMMEMBER Rome BYPOLYGON 4 10 35 20 35 20 45 10 45 WITHDIST ASC
         -ERR syntax error
         > GEOSEARCH g FROMLONLAT 2 48 BYPOLYGON 4 10 35 20 35 20 45 10 45 WITHDIST ASC
         -ERR syntax error
         > GEOSEARCH g BYPOLYGON 3 10 35 20 35 15 45
         [\"Palermo\" \"Catania\" \"Naples\"]
         > GEOSEARCH g BYPOLYGON 3 10 35 20 35 15 45 WITHDIST DESC COUNT 2
         [[\"Naples\" \"279564.2632\"] [\"Palermo\" \"146654.5486\"]]
         > GEOSEARCH g BYPOLYGON 3 10 35 20 35 15 45 COUNT 1 ANY
         [\"Palermo\"]
         > GEOSEARCH g BYPOLYGON 2 10 35 20 35
         -ERR GEOSEARCH BYPOLYGON must have at least 3 vertices
         > GEOSEARCH g BYPOLYGON 0 10 35 20 35
         -ERR GEOSEARCH BYPOLYGON must have at least 3 vertices
         > GEOSEARCH g BYPOLYGON x 10 35 20 35
         -ERR invalid number of vertices
         > GEOSEARCH g BYPOLYGON 4 10 35 20 35 20 45
         -ERR GEOSEARCH BYPOLYGON must have at least 3 vertices
         > GEOSEARCH g BYPOLYGON 3 10 35 20 35 200 45
         -ERR invalid longitude,latitude pair 200.000000,45.000000
         > GEOSEARCH g BYPOLYGON 3 10 35 20 35 20 x
         -ERR value is not a valid float
         > GEOSEARCH g BYPOLYGON 3 10 35 20 35 15 45 BYRADIUS 10 km
         -ERR syntax error
         > GEOSEARCH g BYRADIUS 10 km BYPOLYGON 3 10 35 20 35 15 45
         -ERR syntax error
         > GEOSEARCH g BYBOX 10 10 km BYPOLYGON 3 10 35 20 35 15 45
         -ERR syntax error
         > GEOSEARCH g BYPOLYGON 3 10 35 20 35 15 45 BYPOLYGON 3 0 45 10 45 5 60
         [\"Paris\"]
         > GEOSEARCH g BYRADIUS 10 km
         -ERR wrong number of arguments for 'geosearch' command
         > GEOSEARCH g ASC
         -ERR wrong number of arguments for 'geosearch' command
         > GEOSEARCH g FROMMEMBER Rome
         -ERR wrong number of arguments for 'geosearch' command
         > GEOSEARCH none BYPOLYGON 3 10 35 20 35 15 45
         []
         > GEOSEARCH none BYPOLYGON 2 10 35 20 35
         -ERR GEOSEARCH BYPOLYGON must have at least 3 vertices
         > GEOSEARCH g BYPOLYGON 1000000000000 10 35
         -ERR wrong number of arguments for 'geosearch' command
         > GEOSEARCH g BYPOLYGON -3 10 35 20 35
         -ERR GEOSEARCH BYPOLYGON must have at least 3 vertices
         > GEOSEARCH g BYPOLYGON 3
         -ERR wrong number of arguments for 'geosearch' command
         > GEOSEARCH g BYPOLYGON
         -ERR wrong number of arguments for 'geosearch' command
         > GEOSEARCHSTORE d g BYPOLYGON 4 10 35 20 35 20 45 10 45
         :4
         > ZRANGE d 0 -1 WITHSCORES
         [\"Palermo\" \"3479099956230698\" \"Catania\" \"3479447370796909\" \"Rome\" \"3480343095893889\" \"Naples\" \"3480580641640645\"]
         > GEOSEARCHSTORE d g BYPOLYGON 4 10 35 20 35 20 45 10 45 STOREDIST
         :4
         > ZRANGE d 0 -1 WITHSCORES
         [\"Naples\" \"1.0413768394968739e+5\" \"Palermo\" \"2.628386297041047e+5\" \"Rome\" \"2.894240356674016e+5\" \"Catania\" \"2.898353308296375e+5\"]
         > GEOSEARCHSTORE d g FROMMEMBER Rome BYPOLYGON 4 10 35 20 35 20 45 10 45 STOREDIST
         -ERR syntax error
         > ZRANGE d 0 -1 WITHSCORES
         [\"Naples\" \"1.0413768394968739e+5\" \"Palermo\" \"2.628386297041047e+5\" \"Rome\" \"2.894240356674016e+5\" \"Catania\" \"2.898353308296375e+5\"]
         > GEOSEARCH g BYPOLYGON 5 12 37 16 37 16 43 12 43 15 40 WITHDIST ASC
         [[\"Naples\" \"93031.7583\"] [\"Palermo\" \"223282.7302\"] [\"Catania\" \"289767.9251\"]]
         > GEOSEARCH g BYPOLYGON 3 10 35 10 35 10 35
         []
         > GEOSEARCH g BYPOLYGON 3 12.5 41.9 14.25 40.85 13 38
         []
         > GEOSEARCH g BYPOLYGON 4 -180 -85 180 -85 180 85 -180 85
         [\"Palermo\" \"Catania\" \"Rome\" \"Naples\" \"Paris\"]
         > GEOSEARCH g BYPOLYGON 4 -180 -85 180 -85 180 85 -180 85 WITHDIST
         [[\"Palermo\" \"15566000.7601\"] [\"Catania\" \"15571037.8764\"] [\"Rome\" \"15194382.0599\"] [\"Naples\" \"15254812.4711\"] [\"Paris\" \"14582647.1602\"]]",
    );
}
