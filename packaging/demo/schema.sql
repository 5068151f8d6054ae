CREATE TABLE orders (id bigserial PRIMARY KEY, customer text NOT NULL, total numeric NOT NULL, placed timestamptz DEFAULT now());
CREATE TABLE stock (item text PRIMARY KEY, pieces integer NOT NULL);
INSERT INTO stock VALUES ('teapot', 1000000), ('lamp', 1000000), ('kettle', 1000000), ('mug', 1000000), ('bowl', 1000000);
