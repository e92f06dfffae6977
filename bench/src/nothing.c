/* The program beside which the start of ours is measured. */
int main(void) { return 0; }
