// A class list of 400 pupils with guardians, as a school office would send it, with three mistakes in it.
const GIRLS = ['Achieng', 'Amina', 'Chebet', 'Faith', 'Grace', 'Halima', 'Mercy', 'Mwende', 'Njeri', 'Zawadi'];
const BOYS = ['Abdi', 'Barasa', 'Brian', 'Daudi', 'Hassan', 'Juma', 'Kamau', 'Kiprono', 'Otieno', 'Wekesa'];
const FAMILIES = ['Kariuki', 'Ochieng', 'Wafula', 'Mwangi', 'Kiplagat', 'Mutiso', 'Njoroge', 'Onyango', 'Simiyu', 'Were'];

export const STREAMS = Array.from({ length: 10 }, (_, grade) => ['East', 'West'].map((side) => `${grade + 1} ${side}`)).flat();
const PER_STREAM = 20;
export const PUPILS = STREAMS.length * PER_STREAM;

const COLUMNS = [
  'admission_number', 'first_name', 'last_name', 'date_of_birth', 'sex', 'year_group', 'stream',
  'guardian1_name', 'guardian1_phone', 'guardian1_email', 'guardian1_relation', 'guardian1_sms',
];

/** Row numbers of the mistakes: a day that is not in the calendar, no family name, a phone number with letters. */
export const MISTAKES = { date: 7, name: 133, phone: 390 };

export function classList() {
  const rows = STREAMS.flatMap((stream, index) =>
    Array.from({ length: PER_STREAM }, (_, place) => {
      const number = index * PER_STREAM + place + 1;
      const girl = number % 2 === 0;
      const grade = Number.parseInt(stream, 10);
      return {
        admission_number: `U${String(number).padStart(4, '0')}`,
        first_name: (girl ? GIRLS : BOYS)[Math.floor(place / 2)],
        last_name: FAMILIES[(number * 7 + index) % 10],
        date_of_birth: `${2020 - grade}-${String((number % 12) + 1).padStart(2, '0')}-${String((number % 28) + 1).padStart(2, '0')}`,
        sex: girl ? 'female' : 'male',
        year_group: `Grade ${grade}`,
        stream,
        guardian1_name: `Parent ${FAMILIES[(number * 7 + index) % 10]}`,
        guardian1_phone: `+2547${String(10_000_000 + number)}`,
        guardian1_email: `parent${number}@families.example`,
        guardian1_relation: number % 3 ? 'mother' : 'father',
        guardian1_sms: number % 5 ? 'yes' : 'no',
      };
    }),
  );
  rows[MISTAKES.date - 1].date_of_birth = '2017-02-31';
  rows[MISTAKES.name - 1].last_name = '';
  rows[MISTAKES.phone - 1].guardian1_phone = 'call the office';
  return [COLUMNS.join(','), ...rows.map((row) => COLUMNS.map((column) => row[column]).join(','))].join('\n') + '\n';
}
