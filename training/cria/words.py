"""The words that every skill draws from."""

import json
from pathlib import Path

VOCABULARY = Path(__file__).parent / "tokenizer.json"

FIRST_NAMES = """Ana Ben Clara David Elena Felix Grace Hugo Iris Jonas Kira Leo Maria Nina Oscar Paula
Quinn Rosa Sam Tara Uma Victor Wendy Xavier Yara Zoe Aisha Boris Carmen Diego Emma Farid Greta
Hana Ivan Julia Karim Lucia Marco Noah Olga Pedro Ravi Sofia Tomas Vera Walter Yusuf Lena Mia
Peter Alice Bob Carol John Mary Tom Anna Luis Rita Kofi Amara Chen Mei Sven Ingrid Pablo Inti""".split()
LAST_NAMES = """Torres Quispe Silva Mamani Rossi Novak Keller Haas Lopez Garcia Smith Brown Miller Weber
Tanaka Sato Kim Park Singh Khan Okafor Mensah Larsen Berg Costa Moreau Dubois Petrov Horvat Varga
Wilson Taylor Clark Young Wright Baker Hill Green Adams Cooper Reed Flores Rojas Vargas""".split()
CITIES = """Lima Cusco Paris London Berlin Tokyo Madrid Rome Oslo Cairo Quito Bogota Delhi Seoul Vienna
Prague Lisbon Dublin Athens Warsaw Geneva Boston Chicago Denver Austin Toronto Sydney Nairobi
Lagos Accra Hanoi Manila Puno Arequipa Munich Hamburg Milan Naples Porto Seville Zurich Bern
Helsinki Stockholm Copenhagen Amsterdam Brussels Mumbai Kyoto Osaka Santiago Montevideo""".split()
COLOURS = "red blue green yellow orange purple pink brown black white grey gold silver teal".split()
FOODS = """pizza soup rice pasta bread cheese salad tacos sushi curry pancakes noodles potatoes beans
apples mangoes cherries grapes chocolate quinoa""".split()
ANIMALS = (
    "cat dog llama horse rabbit parrot turtle hamster fox goat hen duck cow sheep fish".split()
)
JOBS = """teacher doctor nurse baker farmer pilot painter writer singer engineer gardener carpenter
lawyer chef driver sailor tailor plumber dentist librarian""".split()
THINGS = """apples books pens cups chairs lamps coins stamps shirts hats boxes plates keys bottles
candles shoes bags balls stones flowers cakes tickets maps clocks""".split()
DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
MONTHS = """January February March April May June July August September October November
December""".split()
NOUNS = """account address album alarm archive article asset audio badge balance battery bill block
booking bridge budget bus cable calendar camera campaign candidate canvas car card cart case
channel chart city class client cluster code color comment company concert contact contract
country coupon course crop currency customer dataset deadline delivery deposit device dinner
discount document domain door drink driver email employee engine event exam exhibit expense
factory farm ferry file fine flight folder forecast forest form formula fuel fund game garage
garden gate gift goal grade graph grant group guest guide harbor heater hotel house idea image
income index insurance inventory invoice island item job joke journal journey kitchen label
laboratory lake lamp lane laptop league lecture lesson letter library licence light list loan
location lock log lunch machine mail map market match meal medicine meeting member memory menu
message metric mission mode money monument mountain movie museum news note notice number nurse
oven package page paper parcel park part party password patient pattern payment permit person
phone photo picture pipeline place plan plant player playlist podcast poem point policy port
post prescription price printer prize product profile project property queue quiz quote radio
rain ranking rate receipt recipe record refund region reminder rent repair report request
reservation restaurant review reward ride river road robot role room route rule salary sale
sample schedule school score season seat seminar sensor server service session shelf ship shop
shift signal site snapshot song sound speaker stadium station statistic status stock storage
store story street student subject subscription supplier survey switch symbol table tariff task
tax taxi team temperature tenant test theme thermostat ticket tide time tool tour town track
trade traffic train translation transport tree trend trip truck tunnel tutorial update user
vaccine vehicle vendor video village visa visit voucher wallet warehouse watch water weather
website wind window word workshop zone""".split()
SUBJECTS = (*NOUNS, *THINGS, *FOODS, *ANIMALS, *JOBS)
ADJECTIVES = "new old big small fast slow quiet bright warm cold soft strong simple modern".split()


def _pieces() -> tuple[str, ...]:
    if not VOCABULARY.exists():
        return SUBJECTS
    tokens = json.loads(VOCABULARY.read_text())["model"]["vocab"]
    return tuple(
        each
        for each in tokens
        if each.isascii() and each.isalpha() and each.islower() and len(each) > 2
    )


PIECES = _pieces()
